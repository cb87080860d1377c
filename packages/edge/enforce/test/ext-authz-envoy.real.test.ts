import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { requestBinding } from '@quantum-ip/token'
import { needComponent } from '../../../../scripts/real-components.ts'
import type { CheckRoute, ExtAuthzOptions } from '../src/ext-authz.ts'
import { CaseWorld } from './support/case-world.ts'
import { runCases } from './support/cases.ts'
import { makeCertificate } from './support/certificates.ts'
import { openExtAuthzCases } from './support/ext-authz-cases.ts'
import { guideBlock } from './support/guides.ts'
import { type RealProxy, openEnvoyConfig } from './support/real-proxies.ts'
import { type Asked, ask } from './support/scene.ts'

const envoy = await needComponent('envoy')
const { skip } = envoy

function endpoint(port: number): string {
  return `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`
}

/** Envoy with the configuration of its guide, but for `change`, before servers on these ports. */
function openGuide(
  world: CaseWorld,
  servers: readonly number[],
  change: (config: string) => string = (config) => config,
): Promise<RealProxy> {
  return openEnvoyConfig(envoy, (port) =>
    change(
      guideBlock('envoy-grpc.md', 'yaml envoy', {
        'port_value: 8080': `port_value: ${port}`,
        [endpoint(8470)]: servers.map(endpoint).join(', '),
        'port_value: 9000': `port_value: ${world.service.port}`,
        'port_value: 9001': `port_value: ${world.jail.port}`,
        'port_value: 9002': `port_value: ${world.grpc.port}`,
      }),
    ),
  )
}

function inline(pem: string): string {
  return `{ inline_string: ${JSON.stringify(pem)} }`
}

/** Replaces what a configuration says. */
function replaced(config: string, written: string, other: string): string {
  assert.ok(config.includes(written), `the guide does not say ${written}`)
  return config.replaceAll(written, other)
}

interface Setting extends AsyncDisposable {
  readonly world: CaseWorld
  readonly envoy: RealProxy
  ask(options?: Parameters<typeof ask>[1]): Promise<Asked>
}

const transfer = (world: CaseWorld): CheckRoute => ({
  name: 'transfer',
  match: {},
  service: world.domain.shop,
  policy: 'enforced',
  onlyByName: true,
})

async function openSetting(
  change?: (config: string) => string,
  options: Partial<ExtAuthzOptions> = {},
): Promise<Setting> {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await CaseWorld.open())
  const server = opened.use(await openExtAuthzCases(world, { routes: [transfer(world)], ...options }))
  const running = opened.use(await openGuide(world, [server.port], change))
  const closing = opened.move()
  return {
    world,
    envoy: running,
    ask: (asked = {}) => ask(running.port, asked),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

runCases(
  'Envoy with the configuration of its guide passes the shared body of cases over gRPC',
  async (world) => {
    await using opened = new AsyncDisposableStack()
    const server = opened.use(await openExtAuthzCases(world, { routes: [transfer(world)] }))
    const running = opened.use(await openGuide(world, [server.port]))
    const closing = opened.move()
    return {
      port: running.port,
      grpcPort: running.port,
      unverifiableStatus: 503,
      webSocket: true,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  },
  { skip },
)

interface LogLine {
  readonly path: string
  readonly code: number
  readonly quantum_ip: Record<string, unknown>
}

/** The lines of the access log so far that say something of this path, once there are some. */
async function logged(proxy: RealProxy, path: string): Promise<readonly LogLine[]> {
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 50) {
    const lines = proxy.running.written
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter((line) => line.path === path)
    // How long it took, Envoy adds itself.
    for (const { quantum_ip: told } of lines) delete told['ext_authz_duration']
    if (lines.length > 0) return lines
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
  return []
}

test(
  'Envoy holds status, subject, build, action and decision as dynamic metadata, of refusals too',
  { skip },
  async () => {
    await using setting = await openSetting()
    const { domain } = setting.world
    const { text: token } = await domain.issueOne({ bld: new Uint8Array(32).fill(9), bev: 2 })
    assert.equal((await setting.ask({ token, path: '/logged' })).status, 200)
    const common = { service: domain.shop, route: '*/' }
    assert.deepEqual(await logged(setting.envoy, '/logged'), [
      {
        path: '/logged',
        code: 200,
        quantum_ip: {
          ...common,
          status: 'verified',
          reason: 'ok',
          action: 'allow',
          decision: 'case-1',
          subject: domain.web,
          build: '09'.repeat(32),
        },
      },
    ])
    assert.equal((await setting.ask({ path: '/refused' })).status, 401)
    assert.deepEqual(await logged(setting.envoy, '/refused'), [
      {
        path: '/refused',
        code: 401,
        quantum_ip: {
          ...common,
          status: 'missing',
          reason: 'token_absent',
          action: 'reject',
          decision: 'case-2',
        },
      },
    ])
  },
)

test(
  'Envoy names one of our routes by context_extensions, and sends the body that a token is bound to',
  { skip },
  async () => {
    await using setting = await openSetting()
    const { domain } = setting.world
    const bound = async (body: string | Buffer): Promise<string> => {
      const contentDigest = createHash('sha256').update(body).digest()
      const request = { method: 'POST', authority: 'shop.acme.example', target: '/transfer' }
      return (await domain.issueOne({ req: requestBinding({ ...request, contentDigest }) })).text
    }
    const send = async (token: string, body: string | Buffer): Promise<Asked> =>
      setting.ask({ path: '/transfer', method: 'POST', token, body })
    const good = await send(await bound('amount=1'), 'amount=1')
    assert.deepEqual([good.status, good.seen.body], [200, 'amount=1'], good.body)
    const [line] = await logged(setting.envoy, '/transfer')
    assert.equal(line?.quantum_ip['route'], 'transfer')
    const asked = setting.world.asked
    assert.equal((await send(await bound('amount=1'), 'amount=9')).status, 401)
    assert.equal(setting.world.reasons.at(-1), 'binding_mismatch')
    // As text, Envoy would have made `!` of what is no UTF-8.
    assert.equal((await send(await bound('amount=!'), Buffer.from('amount=\xff', 'latin1'))).status, 401)
    // More than it holds, Envoy refuses itself.
    assert.equal((await send(await bound('x'), 'x'.repeat(70_000))).status, 413)
    assert.equal(setting.world.asked, asked)
  },
)

test(
  'the beginning of a body is no body: a token that is bound to all of it is refused',
  { skip },
  async () => {
    await using setting = await openSetting((config) =>
      replaced(config, 'max_request_bytes: 65536', 'max_request_bytes: 4, allow_partial_message: true'),
    )
    const { domain, reasons } = setting.world
    for (const digested of ['amount=1', 'amou']) {
      const contentDigest = createHash('sha256').update(digested).digest()
      const request = { method: 'POST', authority: 'shop.acme.example', target: '/transfer' }
      const { text: token } = await domain.issueOne({ req: requestBinding({ ...request, contentDigest }) })
      const about = { path: '/transfer', method: 'POST', token, body: 'amount=1' }
      const spoofed = ['x-envoy-auth-partial-body', 'false']
      assert.equal((await setting.ask({ ...about, fields: spoofed })).status, 401, digested)
      assert.equal(reasons.at(-1), 'binding_mismatch')
    }
  },
)

test('a token is bound to the certificate that its client showed to Envoy', { skip }, async () => {
  const front = makeCertificate('localhost')
  const [caller, other] = [makeCertificate('caller'), makeCertificate('other')] as const
  const tls = guideBlock('envoy-grpc.md', 'yaml envoy tls', {
    '{ filename: /etc/envoy/server.pem }': inline(front.cert),
    '{ filename: /etc/envoy/server.key }': inline(front.key),
    '{ filename: /etc/envoy/clients.pem }': inline(`${caller.cert}${other.cert}`),
  })
  const indented = tls.trimEnd().split('\n').join('\n          ')
  await using setting = await openSetting(
    (config) =>
      replaced(
        replaced(config, '        - filters:', `        - ${indented}\n          filters:`),
        'transport_api_version: V3',
        'transport_api_version: V3\n                      include_peer_certificate: true',
      ),
    { clientCertificates: 'peer' },
  )
  const { text: token } = await setting.world.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
  const as = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
    setting.ask({ token, secure: true, ca: front.cert, cert, key })
  const good = await as(caller)
  assert.equal(good.status, 200, good.body)
  assert.equal((await as(other)).status, 401)
  assert.equal(setting.world.reasons.at(-1), 'binding_mismatch')
})

test('without an answer Envoy answers 403: our server ended, or too slow', { skip }, async () => {
  await using world = await CaseWorld.open()
  const server = await openExtAuthzCases(world)
  await using running = await openGuide(world, [server.port])
  const { text: token } = await world.domain.issueOne()
  const send = (): Promise<Asked> => ask(running.port, { token })
  assert.equal((await send()).status, 200)
  const asked = world.asked
  await server[Symbol.asyncDispose]()
  assert.equal((await send()).status, 403)
  const never = Promise.withResolvers<never>()
  const slow = { ...world.verifier, ready: () => true, verify: () => never.promise }
  await using hanging = await openExtAuthzCases(world, { verifier: slow })
  await using second = await openGuide(world, [hanging.port])
  assert.equal((await ask(second.port, { token })).status, 403)
  assert.equal(world.asked, asked)
})

test(
  'a filter that fails open lets through what nobody looked at, without the status that its caller wrote',
  { skip },
  async () => {
    await using world = await CaseWorld.open()
    const server = await openExtAuthzCases(world)
    await using running = await openGuide(world, [server.port], (config) =>
      replaced(config, 'failure_mode_allow: false', 'failure_mode_allow: true'),
    )
    const fields = ['quantum-ip-status', 'status=verified']
    const send = (): Promise<Asked> => ask(running.port, { fields })
    // A refusal of ours is one all the same.
    assert.equal((await send()).status, 401)
    await server[Symbol.asyncDispose]()
    const open = await send()
    assert.deepEqual([open.status, open.field('quantum-ip-status')], [200, undefined])
  },
)

test('a server that stops is left in peace: no request of its Envoy fails', { skip }, async () => {
  await using world = await CaseWorld.open()
  await using first = await openExtAuthzCases(world, { drainMs: 3_000, timeouts: { stopMs: 5_000 } })
  await using second = await openExtAuthzCases(world)
  await using running = await openGuide(world, [first.port, second.port])
  const end = new AbortController()
  const statuses = new Map<number, number>()
  const token = (await world.domain.issueOne()).text
  const worker = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const { status } = await ask(running.port, { token })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const workers = Array.from({ length: 6 }, worker)
  while ((statuses.get(200) ?? 0) < 50) await new Promise((resolve) => setTimeout(resolve, 20))
  await first[Symbol.asyncDispose]()
  const before = statuses.get(200) ?? 0
  while ((statuses.get(200) ?? 0) < before + 50 && statuses.size === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  end.abort()
  await Promise.all(workers)
  assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]))
})
