// `npm run bench`: our figures beside those of peers, as ratios within one run. `--json` prints one object; `--only a,b` runs
// some rows; `--quick` shortens the ledger and the decisions; `--decisions 10000000` fills the store that is investigated. Progress
// goes to standard error.
import { cpus, loadavg } from 'node:os'
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { type Row, type Rows, round } from './lib/measure.ts'
import { feedCost } from './rows/feed.ts'
import { decisionLog, decisionStore } from './rows/decisions.ts'
import { verifyFlood } from './rows/flood.ts'
import { restartCold } from './rows/restart.ts'
import { envoyExtAuthz } from './rows/envoy-ext-authz.ts'
import { gatewayPlain, gatewayShare } from './rows/gateway.ts'
import { attestRegister, issueBulk, issueSingle, pgIssueBulk } from './rows/issuance.ts'
import { investigateMany } from './rows/investigate.ts'
import { ledgerAppend } from './rows/ledger.ts'
import { nginxInproxy } from './rows/nginx.ts'
import { nodeMiddleware } from './rows/node-middleware.ts'
import { policyDecide } from './rows/policy.ts'
import { possession } from './rows/possession.ts'
import { redisReplay } from './rows/replay.ts'
import { revocation } from './rows/revocation.ts'
import { serverlessColdStart } from './rows/serverless.ts'
import { rotation } from './rows/rotation.ts'
import {
  cacheMemory,
  replayMemory,
  telemetryCost,
  tokenChars,
  verifyCached,
  verifyCold,
} from './rows/verification.ts'
import { telemetryOnPath } from './rows/telemetry.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    decisions: { type: 'string', default: '200000' },
  },
})

// Memory is measured after collections; they are only to be had with this flag.
if (globalThis.gc === undefined) {
  const done = spawnSync(
    process.execPath,
    ['--expose-gc', '--conditions=quantum-ip-source', ...process.argv.slice(1)],
    { stdio: 'inherit' },
  )
  process.exit(done.status ?? 1)
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`)

const groups: Readonly<Record<string, () => Promise<Rows>>> = {
  token_chars: tokenChars,
  verify_cold: verifyCold,
  verify_cached: verifyCached,
  verify_flood: verifyFlood,
  telemetry_us: telemetryCost,
  telemetry_cost: telemetryOnPath,
  policy_decide: policyDecide,
  replay_bytes: replayMemory,
  redis_replay: redisReplay,
  cache_mb: cacheMemory,
  issue_bulk: issueBulk,
  issue_single: issueSingle,
  pg_issue_bulk: pgIssueBulk,
  attest_register: attestRegister,
  gateway_share: gatewayShare,
  gateway_plain: gatewayPlain,
  envoy_ext_authz: envoyExtAuthz,
  nginx_inproxy: nginxInproxy,
  node_middleware: nodeMiddleware,
  possession,
  serverless_cold_start: serverlessColdStart,
  restart_cold: restartCold,
  feed_cost: feedCost,
  rotation,
  revocation,
  investigate: () => investigateMany(Number(values.decisions), (text) => progress(`  ${text}`)),
  decision_log: decisionLog,
  decision_store: () => decisionStore(values.quick ? 100_000 : 1_000_000, (text) => progress(`  ${text}`)),
  ledger_append: () => ledgerAppend(values.quick ? 200_000 : 3_000_000, (text) => progress(`  ${text}`)),
}

const wanted = values.only?.split(',') ?? Object.keys(groups)
const unknown = wanted.find((name) => groups[name] === undefined)
if (unknown !== undefined) {
  process.stderr.write(
    `bench: no row is called \`${unknown}\`\n  next: name some of ${Object.keys(groups).join(', ')}\n`,
  )
  process.exit(2)
}

/** How much a fixed piece of work varies on this machine now: half of the middle half, as a share of the median. */
function noise(): number {
  const samples = Array.from({ length: 41 }, () => {
    const started = performance.now()
    let sum = 0
    for (let i = 0; i < 2_000_000; i++) sum = (sum + i * 31) % 1_000_003
    return sum < 0 ? 0 : performance.now() - started
  }).sort((a, b) => a - b)
  return ((samples[30] ?? 0) - (samples[10] ?? 0)) / 2 / (samples[20] ?? 1)
}

const rows: Record<string, Row> = {}
const machineNoise = noise()
for (const name of wanted) {
  progress(`${name} ...`)
  Object.assign(rows, await groups[name]?.())
}

if (values.json) {
  process.stdout.write(
    `${JSON.stringify({ ...rows, noise: { value: round(machineNoise), unit: 'share' } })}\n`,
  )
} else {
  process.stdout.write(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}, noise ±${(machineNoise * 100).toFixed(0)} %, Node ${process.version}\n\n`,
  )
  for (const [name, row] of Object.entries(rows)) process.stdout.write(`${format(name, row)}\n`)
}

function format(name: string, { value, unit, against, ratio, bar, reached, detail }: Row): string {
  const mark = reached === undefined ? ' ' : reached ? '✓' : '✗'
  const parts = [
    `${mark} ${name.padEnd(15)} ${String(value).padStart(9)} ${unit}`,
    ratio === undefined ? '' : `${ratio} x ${against ?? ''}`,
    ...Object.entries(detail ?? {}).map(([key, figure]) => `${key} ${figure}`),
    bar === undefined ? '' : `[${bar}]`,
  ]
  return parts.filter((part) => part !== '').join(' · ')
}
