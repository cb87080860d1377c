// investigate: how long `qip investigate` takes about one build of ten, over millions of decisions in the embedded store.
import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { JsonObject } from '@quantum-ip/base'
import { Authority, serveAuthority } from '@quantum-ip/authority'
import { percentile, round, type Rows } from '../lib/measure.ts'

const launcher = fileURLToPath(new URL('../../packages/apps/cli/bin/qip.js', import.meta.url))
const run = promisify(execFile)
const td = 'spiffe://acme.example'
const builds = 10
const barMs = 10_000

/** The row: over `rows` decisions, a tenth of which are about the build that is looked into. */
export async function investigateMany(rows: number, progress: (text: string) => void): Promise<Rows> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-investigate-'))
  try {
    await openAuthority(folder).then(async (authority) => {
      await authority.decisions.add(templates())
      await authority.close()
    })
    const fillStarted = performance.now()
    fill(join(folder, 'data', 'authority.db'), rows, progress)
    const fillS = (performance.now() - fillStarted) / 1_000
    const { size } = await stat(join(folder, 'data', 'authority.db'))
    progress(`${rows} decisions in ${Math.round(fillS)} s, ${Math.round(size / 1_048_576)} MB`)
    const times = await measure(folder, progress)
    const whole = percentile(times, 0.5)
    return {
      investigate: {
        value: round(whole / 1_000),
        unit: `s over ${rows} decisions, ${rows / builds} of them about the build`,
        bar: '<= 10 s over 10 million',
        ...(rows >= 10_000_000 && { reached: whole <= barMs }),
        detail: {
          first_s: round((times[0] ?? 0) / 1_000),
          store_mb: Math.round(size / 1_048_576),
          fill_s: round(fillS),
        },
      },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function openAuthority(folder: string): Promise<Authority> {
  return Authority.open({
    trustDomain: td,
    places: {
      folder: join(folder, 'data'),
      highWaterFolder: join(folder, 'high-water'),
      custodyFolder: join(folder, 'keys'),
    },
    rules: [],
    builders: [],
    requireAttestation: [],
  })
}

const buildOf = (nth: number) => createHash('sha256').update(`build ${nth}`).digest('hex')

/** One decision of each kind, which the embedded store multiplies: ten builds, four services, mostly requests that passed. */
function templates(nowMs = Date.now()) {
  return Array.from({ length: builds * 20 }, (_, nth) => {
    const refused = nth % 20 >= 17
    const id = `edge-1-${String(nth).padStart(26, '0')}`
    const reason = refused ? 'token_expired' : 'ok'
    const record: JsonObject = {
      kind: 'decision',
      id,
      timeMs: 1,
      point: `edge-${nth % 3}`,
      region: null,
      service: `${td}/ns/prod/sa/shop-${nth % 4}`,
      traceId: null,
      status: refused ? 'invalid' : 'verified',
      reason,
      authenticated: true,
      deep: true,
      subject: `${td}/ns/prod/sa/caller-${nth % builds}`,
      claimedSubject: null,
      build: { digest: buildOf(nth % builds), evidence: 1 },
      attestation: { log: 'acme.example/attestations/1', index: (nth % builds) + 1 },
      token: { log: 'acme.example/tokens/1', index: nth, digest: buildOf(nth) },
      head: null,
      epoch: 0,
      policy: { name: 'default', version: 1 },
      rule: null,
      decidedBy: 'default',
      action: refused ? 'reject' : 'allow',
      wouldBe: refused ? 'reject' : 'allow',
      mode: 'enforce',
      enforced: true,
      deferred: false,
      failOpen: [],
      share: 1,
      path: 'cached',
      durationMs: 0.02,
    }
    return { id, timeMs: nowMs, reason, record }
  })
}

/** Multiplies the decisions that are there, in the order of time; indexes are built afterwards, as they would be in the end. */
function fill(file: string, rows: number, progress: (text: string) => void): void {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = FILE')
  const indexes = db
    .prepare(
      "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'decision_index' AND sql IS NOT NULL",
    )
    .all() as { name: string; sql: string }[]
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`)
  const columns = (db.prepare('PRAGMA table_info(decision_index)').all() as { name: string }[]).map(
    ({ name }) => name,
  )
  const others = columns.filter((name) => name !== 'id' && name !== 'time_ms')
  db.exec(
    'CREATE TEMP TABLE t AS SELECT i.*, d.record FROM decision_index i JOIN decisions d ON d.id = i.id ORDER BY i.id',
  )
  db.exec('DELETE FROM decision_index; DELETE FROM decisions')
  const per = builds * 20
  const base = Date.now() - rows - 60_000
  const step = 500_000
  for (let from = 0; from < rows; from += step) {
    const turns = Math.ceil(Math.min(step, rows - from) / per)
    const first = from / per
    const numbers = `WITH RECURSIVE n(n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM n WHERE n < ${first + turns - 1})`
    // As decision IDs are, these rise with time.
    const id = "printf('edge-1-%026d', n.n * " + String(per) + ' + t.rowid)'
    const time = `${base} + n.n * ${per} + t.rowid`
    db.exec('BEGIN')
    db.exec(`INSERT INTO decision_index (id, time_ms, ${others.join(', ')})
      ${numbers} SELECT ${id}, ${time}, ${others.map((name) => `t.${name}`).join(', ')} FROM n CROSS JOIN t`)
    db.exec(`INSERT INTO decisions (id, time_ms, reason, record)
      ${numbers} SELECT ${id}, ${time}, 'ok', replace(replace(t.record, t.id, ${id}), '"timeMs":1,', '"timeMs":' || (${time}) || ',')
      FROM n CROSS JOIN t`)
    db.exec('COMMIT')
    progress(`${from + turns * per} decisions`)
  }
  for (const { name, sql } of indexes) {
    db.exec(sql)
    progress(name)
  }
  db.close()
}

/** The command as an operator runs it, a process of its own each time; the first one finds nothing in the caches of the store. */
async function measure(folder: string, progress: (text: string) => void): Promise<readonly number[]> {
  const authority = await openAuthority(folder)
  const path = join(folder, 'authority.sock')
  const served = await serveAuthority({ authority, listeners: [{ path }] })
  try {
    const times: number[] = []
    for (let turn = 0; turn < 3; turn++) {
      const started = performance.now()
      // The answer is no: nobody attested this build.
      const { stdout } = await run(
        process.execPath,
        [launcher, 'investigate', buildOf(1), '--authority', `unix:${path}`, '--json'],
        {
          maxBuffer: 64 * 1_048_576,
        },
      ).catch((error: { stdout: string }) => error)
      times.push(performance.now() - started)
      const { decisions, conclusion } = JSON.parse(stdout) as {
        decisions: { total: number }
        conclusion: string
      }
      progress(`${decisions.total} decisions: ${conclusion}, ${Math.round(times.at(-1) ?? 0)} ms`)
    }
    return times
  } finally {
    await served.close()
    await authority.close()
  }
}
