import { once } from 'node:events'
import { relative, resolve } from 'node:path'
import { type Config, parseConfig, readConfigFile } from '@quantum-ip/http'
import type { Command } from 'commander'
import { access } from 'node:fs/promises'
import { openDemoUpstream } from '../journey/demo-upstream.ts'
import { demo, type DemoGround, layOutDemo } from '../journey/demo-config.ts'
import { type CaseResult, gatewayUrl, runJourney, showCases } from '../journey/journey.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import type { Outcome } from '../exit-codes.ts'
import { openNode, type QuantumIpNode } from '../up/node.ts'

interface UpOptions extends OutputOptions {
  readonly config: string
  readonly demo?: boolean
  readonly once?: boolean
}

const configDefault = 'quantum-ip.yaml'
const demoFolder = 'data/demo'

/** `qip up`: authority and gateway in one process. */
export function upCommand(run: Run): Command {
  return newAnswer('up', 'start everything in one process')
    .option('--config <file>', 'the configuration; without one, the defaults', configDefault)
    .option('--demo', 'a trust domain of its own in `data/demo`, and the whole journey of a build on it')
    .option('--once', 'with --demo: stop after the journey')
    .action((options: UpOptions) =>
      answer(run, options, (output) =>
        options.demo === true ? runDemo(output, options) : runUp(output, options),
      ),
    )
}

async function runUp(output: Output, options: UpOptions): Promise<void> {
  const node = await openNode(await readConfig(options.config), (text) => output.note(text))
  output.show(whereabouts(node), () => showWhereabouts(output, node))
  await stopSignal()
  await node.close()
}

async function readConfig(file: string): Promise<Config> {
  const exists = await access(file).then(
    () => true,
    () => false,
  )
  // Works with no file; but one that was named must be there.
  return exists || file !== configDefault ? readConfigFile(file) : parseConfig('', configDefault)
}

function whereabouts(node: QuantumIpNode): Readonly<Record<string, string | null>> {
  const { authority, config } = node
  return {
    trustDomain: config.trustDomain,
    authority: authority.url,
    socket: config.authority.socket ?? null,
    gateway: node.gateway === undefined ? null : gatewayUrl(node),
    firstAdminCredential: authority.served.firstAdminFile ?? null,
  }
}

function showWhereabouts(output: Output, node: QuantumIpNode): void {
  const { trustDomain, authority, socket, gateway, firstAdminCredential } = whereabouts(node)
  output.line(tone('strong', 'Quantum IP is up'))
  output.facts([
    ['trust domain', trustDomain ?? ''],
    ['authority', authority ?? ''],
    ['operators', socket === null || socket === undefined ? 'no socket' : `unix:${socket}`],
    ['gateway', gateway ?? 'no routes configured'],
    ...notStarted(node.config),
    firstAdminCredential === null || firstAdminCredential === undefined
      ? undefined
      : ['first admin', `credential in ${firstAdminCredential}; keep it, and remove the file`],
  ])
  showFirstRequests(output, node)
}

/** Points that are configured and are processes of their own: nothing that is configured is left out in silence. */
function notStarted({ forwardAuth, extAuthz }: Config): readonly (readonly [string, string])[] {
  const points = [
    ['forward-auth', forwardAuth.routes.length],
    ['ext-authz', extAuthz.routes.length],
  ] as const
  return points
    .filter(([, routes]) => routes > 0)
    .map(([role]) => [role, `not started here: \`qip serve --role ${role}\` runs it`])
}

/** What to type next, so that a new user sees a request come through or be refused. */
function showFirstRequests(output: Output, { config, gateway, ...node }: QuantumIpNode): void {
  const route = config.gateway.routes[0]
  if (gateway === undefined || route === undefined) {
    output.line(
      '  next:',
      'add a route (`qip config show` lists every key), or `qip keys list` to look around',
    )
    return
  }
  const { host, path } = route.match
  const request = `${host === undefined ? '' : `-H 'host: ${host}' `}${gatewayUrl({ config, gateway, ...node })}${path}`
  output.line('  next:', tone('dim', '# a request without a token, and one with'))
  output.line('       ', `curl -i ${request}`)
  output.line(
    '       ',
    `curl -i -H "Quantum-IP: $(qip token issue --as <caller> --audience ${route.service} --raw)" ${request}`,
  )
  output.line(
    '       ',
    tone('dim', '# what was decided and why, what the path does to a request, and budgets'),
  )
  output.line('       ', 'qip decisions; qip explain <decision>')
  output.line('       ', `qip doctor ${gatewayUrl({ config, gateway, ...node })}${path}; qip slo`)
}

async function runDemo(output: Output, options: UpOptions): Promise<Outcome> {
  const shop = await openDemoUpstream('shop')
  const quarantine = await openDemoUpstream('shop, quarantined')
  const ground = await layOutDemo(resolve(demoFolder), { shop: shop.url, quarantine: quarantine.url })
  const node = await openNode(ground.config, (text) => output.note(text))
  try {
    const started = performance.now()
    const say =
      options.json === true
        ? () => undefined
        : (what: string, text: string) => output.line(tone('dim', what.padEnd(9)), text)
    const { cases, ok } = await runJourney(node, ground, say)
    const ms = Math.round(performance.now() - started)
    output.show({ ok, ms, ...whereabouts(node), cases: cases.map((one) => ({ ...one })) }, () => {
      output.line()
      showCases(output, cases)
      output.line()
      const text = ok
        ? 'ten of ten as expected'
        : `${cases.filter(({ asExpected }) => !asExpected).length} of ten not as expected`
      output.line(tone(ok ? 'good' : 'bad', text), tone('dim', `in ${(ms / 1_000).toFixed(1)} s`))
      showNextSteps(output, { node, ground, cases, stays: options.once !== true })
    })
    if (options.once !== true) await stopSignal()
    return ok ? 'ok' : 'no'
  } finally {
    await node.close()
    await Promise.all([shop.close(), quarantine.close()])
  }
}

interface NextSteps {
  readonly node: QuantumIpNode
  readonly ground: DemoGround
  readonly cases: readonly CaseResult[]
  readonly stays: boolean
}

function showNextSteps(output: Output, { node, ground, cases, stays }: NextSteps): void {
  if (!stays) return
  const url = gatewayUrl(node)
  const config = relative(process.cwd(), ground.configFile)
  const refused = cases.findLast(({ action }) => action === 'reject')
  output.line()
  output.line(tone('strong', 'It stays up.'), 'Try it from another terminal:')
  output.line()
  const commands = [
    ['no token: refused, with the reason', `curl -si ${url}/orders/42`],
    ['a health check needs none', `curl -si ${url}/healthz`],
    [
      'a fresh token, on a request',
      `curl -si -H "Quantum-IP: $(npx qip token issue --config ${config} --as ${demo.legacy} --audience ${demo.shop} --raw)" ${url}/orders/42`,
    ],
    ['why the last one was refused', `npx qip explain ${refused?.decision ?? ''} --config ${config}`],
    ['the keys of the trust domain', `npx qip keys list --config ${config}`],
    ['the log of all tokens', `npx qip ledger info tokens/1 --config ${config}`],
    ['what is measured', `curl -s ${node.authority.url}/metrics`],
  ] as const
  for (const [what, command] of commands) {
    output.line(tone('dim', `# ${what}`))
    output.line(tone('accent', command))
  }
  output.line()
  output.line(tone('dim', 'Ctrl-C stops it.'))
}

async function stopSignal(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}
