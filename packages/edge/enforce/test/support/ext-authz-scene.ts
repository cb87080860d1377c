import { type CheckRoute, type ExtAuthzOptions, openExtAuthz } from '../../src/ext-authz.ts'
import { type TestDomain, createTestDomain } from './domain.ts'
import { type CheckAnswer, type CheckClient, openCheckClient } from './ext-authz-client.ts'
import { policyOf } from './scene.ts'

/** What is asked about, where it is not `GET https://shop.acme.example/cart?x=1`. */
export interface About {
  readonly token?: string
  readonly fields?: readonly string[]
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly extensions?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly certificate?: string
}

/** A server of ext_authz over gRPC with a trust domain of its own. */
export interface ExtAuthzScene extends AsyncDisposable {
  readonly domain: TestDomain
  readonly port: number
  readonly addresses: readonly string[]
  readonly client: CheckClient
  /** Asks as Envoy does with `encode_raw_headers`. */
  ask(about?: About): Promise<CheckAnswer>
}

/** Opens a server with one route. */
export async function openExtAuthzScene(
  options: Partial<ExtAuthzOptions> & { readonly route?: Partial<CheckRoute> } = {},
): Promise<ExtAuthzScene> {
  const { route, ...rest } = options
  const domain = await createTestDomain()
  const server = await openExtAuthz({
    point: 'ext-authz-1',
    listeners: [{}],
    clock: domain.clock,
    verifier: domain.verifier(),
    policies: new Map([['default', policyOf()]]),
    routes: [{ match: {}, service: domain.shop, policy: 'default', ...route }],
    timeouts: { stopMs: 100 },
    ...rest,
  })
  const port = server.addresses[0]?.port ?? 0
  const client = openCheckClient(`127.0.0.1:${port}`)
  return {
    domain,
    port,
    addresses: server.addresses.map((bound) => `${bound.host}:${bound.port}`),
    client,
    ask: (about = {}) => client.check(questionOf(about)),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]()
      await server.close()
    },
  }
}

/** The question, as Envoy asks it with `encode_raw_headers`. */
export function questionOf(about: About) {
  const { token, fields = [], method = 'GET', path = '/cart?x=1', host = 'shop.acme.example' } = about
  const own = [':method', method, ':authority', host, 'x-forwarded-proto', 'https', ...fields]
  const all = token === undefined ? own : [...own, 'quantum-ip', token]
  const headers = []
  for (let i = 0; i < all.length; i += 2)
    headers.push({ key: all[i], raw_value: Buffer.from(all[i + 1] ?? '', 'latin1') })
  const { body, extensions, certificate } = about
  return {
    http: { method, path, host, header_map: { headers }, ...(body !== undefined && { raw_body: body }) },
    ...(extensions !== undefined && { context_extensions: extensions }),
    ...(certificate !== undefined && { source: { certificate, principal: 'ignored' } }),
  }
}
