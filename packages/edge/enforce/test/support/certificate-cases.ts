import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  boundTo,
  type PossessionCase,
  possessionCases,
  possessionKeys,
} from '../../../../core/verifier/test/possession-cases.ts'
import { CaseWorld } from './case-world.ts'
import { type TestCertificate, makeCertificate } from './certificates.ts'
import { type Asked, ask } from './scene.ts'

/** The certificates of a proxy that ends TLS, and of those who call it. */
export interface CertificateParty {
  readonly server: TestCertificate
  /** Who signed those that the proxy takes. */
  readonly issuer: TestCertificate
  readonly caller: TestCertificate
  /** As good as the caller's, and not what the token is bound to. */
  readonly other: TestCertificate
  /** As good, with names that end an element, and begin another one: the caller's. */
  readonly crooked: readonly TestCertificate[]
  /** Signed by nobody that the proxy trusts; of the same names as the caller's. */
  readonly stranger: TestCertificate
}

/** A proxy that ends TLS before a point which lives in the world of cases. */
export interface CertificateFront extends AsyncDisposable {
  readonly port: number
  /** Whether each verdict is recorded in the world. Default true. */
  readonly records?: boolean
  /** Called when the tokens of a case are issued, before it is sent. */
  readonly settle?: () => Promise<void>
}

const serviceId = 'spiffe://acme.example/ns/prod/sa/web'

function draw(): CertificateParty {
  const issuer = makeCertificate('clients')
  const made = (name: string, id?: string): TestCertificate => makeCertificate(name, id, issuer)
  const caller = made('caller', serviceId)
  const hash = caller.thumbprint.toString('hex')
  const escaped = encodeURIComponent(caller.cert)
  return {
    server: makeCertificate('proxy'),
    issuer,
    caller,
    other: made('other', `${serviceId}/other`),
    crooked: [
      made('a comma', `spiffe://acme.example/x,Hash=${hash};URI=${serviceId}`),
      made('a semicolon', `spiffe://acme.example/x;Hash=${hash};URI=${serviceId}`),
      made('a quote', `spiffe://acme.example/x",Hash=${hash};Cert="${escaped}"`),
      made('a "quoted", name;Hash=' + hash.slice(0, 20)),
    ],
    stranger: makeCertificate('caller', serviceId),
  }
}

/** The files of a proxy: `server.pem` (certificate and key in one), `server.key`, and `clients.pem`, whose certificates it takes. */
export function filesOf({ server, issuer }: CertificateParty): Record<string, string> {
  return {
    'server.pem': `${server.cert}${server.key}`,
    'server.key': server.key,
    'clients.pem': issuer.cert,
  }
}

// What proxies say to points, said by a client.
function spoofs({ caller }: CertificateParty): readonly (readonly string[])[] {
  const [hash, escaped] = [caller.thumbprint.toString('hex'), encodeURIComponent(caller.cert)]
  const der = `:${caller.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`
  const xfcc = `Hash=${hash};Cert="${escaped}"`
  return [
    ['X-Forwarded-Client-Cert', xfcc, 'x_forwarded_client_cert', xfcc],
    ['X-SSL-Client-Verify', 'SUCCESS', 'X-SSL-Client-Cert', escaped, 'X_SSL_Client_Cert', escaped],
    ['Client-Cert', der, 'Client-Cert-Chain', der],
  ]
}

interface CertificateScene {
  readonly world: CaseWorld
  readonly party: CertificateParty
  /** Tokens: bound to the certificate of the caller, the same for one use, and bound to nothing. */
  readonly tokens: Readonly<Record<'bound' | 'once' | 'free', string>>
  readonly ask: (token: string, client?: TestCertificate, fields?: readonly string[]) => Promise<Asked>
  /** Holds that the bound token is refused, and nobody behind the point was asked. */
  readonly refuses: (client?: TestCertificate, fields?: readonly string[]) => Promise<void>
}

async function openScene(
  world: CaseWorld,
  party: CertificateParty,
  front: CertificateFront,
): Promise<CertificateScene> {
  const cnf = { x5tS256: party.caller.thumbprint }
  const [bound, once, free] = await world.domain.issue([{ cnf }, { cnf, use: 1 }, {}])
  const tokens = { bound: bound?.text ?? '', once: once?.text ?? '', free: free?.text ?? '' }
  await front.settle?.()
  const scene: CertificateScene = {
    world,
    party,
    tokens,
    ask(token, client, fields = []) {
      const identity = client && { cert: client.cert, key: client.key }
      const tls = { secure: true, ca: party.server.cert, servername: 'shop.acme.example', ...identity }
      return ask(front.port, { token, fields, ...tls })
    },
    async refuses(client, fields) {
      const before = world.asked
      const asked = await scene.ask(tokens.bound, client, fields)
      assert.equal(asked.status, 401, asked.body)
      if (front.records !== false) assert.equal(world.reasons.at(-1), 'binding_mismatch')
      assert.equal(world.asked, before)
    },
  }
  return scene
}

interface CertificateCase {
  readonly name: string
  readonly run: (scene: CertificateScene) => Promise<void>
}

const cases: readonly CertificateCase[] = [
  {
    name: 'passes a token that is bound to the certificate of its bearer, again and again',
    async run({ ask, tokens, party }) {
      for (let i = 0; i < 3; i++) {
        const asked = await ask(tokens.bound, party.caller)
        assert.equal(asked.status, 200, asked.body)
      }
    },
  },
  {
    name: 'passes a one-time token that is bound to it, once',
    async run({ ask, tokens, party: { caller, other } }) {
      assert.notEqual((await ask(tokens.once, other)).status, 200)
      assert.equal((await ask(tokens.once, caller)).status, 200)
      assert.notEqual((await ask(tokens.once, caller)).status, 200)
    },
  },
  { name: 'refuses it with another certificate', run: ({ refuses, party }) => refuses(party.other) },
  { name: 'refuses it without a certificate', run: ({ refuses }) => refuses() },
  {
    name: 'refuses it where a client says what only the proxy may say',
    async run({ refuses, party }) {
      for (const fields of spoofs(party)) {
        await refuses(party.other, fields)
        await refuses(undefined, fields)
      }
    },
  },
  {
    name: 'refuses it with a certificate whose names look like another certificate',
    async run({ refuses, party }) {
      for (const crooked of party.crooked) await refuses(crooked)
    },
  },
  {
    name: 'takes a token that is bound to nothing, whatever its bearer shows and says',
    async run({ ask, tokens, party }) {
      for (const fields of [[], ...spoofs(party)]) {
        assert.equal((await ask(tokens.free, undefined, fields)).status, 200)
        assert.equal((await ask(tokens.free, party.other, fields)).status, 200)
      }
    },
  },
  {
    name: 'lets nobody through whose certificate nobody vouches for',
    async run({ ask, tokens, party, world }) {
      const before = world.asked
      const asked = await ask(tokens.bound, party.stranger).catch(() => undefined)
      assert.notEqual(asked?.status, 200)
      assert.equal(world.asked, before)
    },
  },
]

/** Holds a case of proofs by key, which need nothing of the proxy but that it passes them on and tells the scheme. */
async function runProofs(
  scene: CertificateScene,
  front: CertificateFront,
  { passes, proofs, again }: PossessionCase,
): Promise<void> {
  const { world, ask } = scene
  const keys = possessionKeys('ES256')
  const cnf = boundTo(keys.own)
  const [one, two] = await world.domain.issue([{ cnf }, { cnf }])
  const [token, otherToken] = [one?.text ?? '', two?.text ?? '']
  await front.settle?.()
  // What was made in the second in which the verifier began, or before, may have been used before: it is not taken.
  const nowS = world.domain.clock.now() / 1_000 + 2
  const values = await proofs({ keys, token, otherToken, uri: 'https://shop.acme.example/cart', nowS })
  const fields = values.flatMap((value) => ['Workload-Proof-Token', value])
  if (again === true) assert.equal((await ask(token, undefined, fields)).status, 200)
  const before = world.asked
  const asked = await ask(token, undefined, fields)
  assert.equal(asked.status === 200, passes, asked.body)
  assert.equal(world.asked - before, passes ? 1 : 0)
  assert.equal(asked.field('workload-proof-token'), undefined)
}

/** Runs what must hold behind each proxy that ends mutual TLS, with tokens that are bound to a certificate. */
export function runCertificateCases(
  title: string,
  open: (world: CaseWorld, party: CertificateParty) => Promise<CertificateFront>,
  { skip = false, realTime = false }: { readonly skip?: string | false; readonly realTime?: boolean } = {},
): void {
  void test(title, { skip }, async (suite) => {
    await using world = await CaseWorld.open({ realTime })
    await world.begin()
    const party = draw()
    await using front = await open(world, party)
    const scene = await openScene(world, party, front)
    for (const { name, run } of cases) await suite.test(name, () => run(scene))
    for (const proved of possessionCases) {
      const name = `${proved.passes ? 'passes' : 'refuses'} a token that is bound to a key with ${proved.name}`
      await suite.test(name, () => runProofs(scene, front, proved))
    }
  })
}
