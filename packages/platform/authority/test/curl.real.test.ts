import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseAdmissionRules } from '@quantum-ip/attestation'
import { parseBase64url, utf8 } from '@quantum-ip/base'
import { formatSessionProof } from '@quantum-ip/client'
import { generateKemKey, kemJwk, openField } from '@quantum-ip/crypto'
import { createSelfSignedCertificate, type KeyExchange } from '@quantum-ip/http'
import { bundlePath, subtreeVerifierKey, tilePath, verifyTileLog } from '@quantum-ip/log'
import { parseMerkleToken } from '@quantum-ip/token'
import { TrustStore } from '@quantum-ip/trust'
import { needComponent, type Outcome, runComponent } from '../../../../scripts/real-components.ts'
import { Authority, type AuthorityServer, serveAuthority } from '../src/index.ts'

const curl = await needComponent('curl')
const openssl = await needComponent('openssl')

const td = 'spiffe://acme.example'
const shop = `${td}/ns/prod/sa/shop`
const checkout = `${td}/ns/prod/sa/checkout`

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''
let socket = ''
let caFile = ''

const keyExchanges: readonly KeyExchange[] = ['preferred', 'required']
const tlsPort = (keyExchange: KeyExchange): number =>
  served.bound[2 + keyExchanges.indexOf(keyExchange)]?.port ?? 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-curl-'))
  socket = join(folder, 'qip.sock')
  caFile = join(folder, 'ca.pem')
  authority = await Authority.open({
    trustDomain: td,
    places: {
      folder: join(folder, 'data'),
      highWaterFolder: join(folder, 'high-water'),
      custodyFolder: join(folder, 'keys'),
    },
    rules: parseAdmissionRules([{ service: `${td}/ns/prod/sa/*`, builder: 'https://ci.acme.example/*' }]),
    builders: [],
    requireAttestation: [{ service: '**', demand: 'warn' }],
  })
  const identity = createSelfSignedCertificate({ names: ['127.0.0.1'] })
  await writeFile(caFile, identity.certificate)
  served = await serveAuthority({
    authority,
    listeners: [
      { host: '127.0.0.1', port: 0 },
      { path: socket },
      ...keyExchanges.map((keyExchange) => ({
        host: '127.0.0.1',
        port: 0,
        tls: { ...identity, keyExchange },
      })),
    ],
  })
  url = served.bound[0]?.url ?? ''
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

interface Answer {
  readonly status: number
  readonly type: string
  readonly bytes: Buffer
  readonly json: Record<string, unknown>
}

const mark = '\n--- '

/** Asks with curl; fails where curl itself does. */
async function ask(...args: readonly string[]): Promise<Answer> {
  const outcome = await runComponent(curl, ['-sS', '-w', `${mark}%{http_code} %{content_type}`, ...args])
  assert.equal(outcome.status, 0, outcome.stderr)
  return answerOf(outcome)
}

function answerOf({ stdout }: Outcome): Answer {
  const end = stdout.lastIndexOf(mark)
  const [status, ...type] = stdout
    .subarray(end + mark.length)
    .toString()
    .split(' ')
  const bytes = stdout.subarray(0, end)
  const isJson = type.join(' ').includes('json')
  return {
    status: Number(status),
    type: type.join(' '),
    bytes,
    json: isJson ? (JSON.parse(bytes.toString()) as Answer['json']) : {},
  }
}

const asAdmin = (path: string, ...args: readonly string[]): Promise<Answer> =>
  ask('--unix-socket', socket, ...args, `http://localhost${path}`)

const asJson = ['-H', 'Content-Type: application/json', '--data-binary']
const sends = (body: unknown): readonly string[] => [...asJson, JSON.stringify(body)]

test(
  'what curl is told at /.well-known is enough to follow the trust domain',
  { skip: curl.skip },
  async () => {
    const { status, type, json } = await ask(`${url}/.well-known/quantum-ip`)
    assert.deepEqual([status, type.split(';')[0]], [200, 'application/json'])
    assert.deepEqual([json['trustDomain'], json['apiVersion']], [td, 'v1'])
    const trust = new TrustStore({
      td,
      pins: { thumbprints: json['rootThumbprints'] as string[], threshold: json['rootThreshold'] as number },
    })
    const fetched = async (what: string): Promise<string> => {
      const answer = await ask(`${url}${json[what] as string}`)
      assert.deepEqual([answer.status, answer.type.split(';')[0]], [200, 'application/vnd.dsse+json'], what)
      return answer.bytes.toString()
    }
    const timeMs = Date.now()
    assert.equal(await trust.applyRoot({ envelope: await fetched('root'), timeMs }), true)
    assert.equal(await trust.applyBundle({ envelope: await fetched('bundle'), timeMs }), true)
    assert.equal(await trust.applyState({ envelope: await fetched('state'), timeMs, revocations: [] }), true)
  },
)

test(
  'an admin at the Unix socket makes a join token, and curl takes it all the way to a token',
  { skip: curl.skip },
  async () => {
    const joined = await asAdmin('/v1/join-tokens', ...sends({ sid: checkout, ttl: 60 }))
    assert.equal(joined.status, 200, joined.bytes.toString())
    const key = generateKemKey('X-Wing')
    const admission = {
      method: 'join-token',
      evidence: { token: joined.json['token'] },
      key: kemJwk(key.publicKey),
    }
    const admitted = await ask(...sends(admission), `${url}/v1/workloads`)
    assert.equal(admitted.status, 200, admitted.bytes.toString())
    const id = admitted.json['session'] as string
    const sealed = parseBase64url(admitted.json['sealedKey'] as string)
    const session = { id, key: await openField({ key, sealed, aad: utf8(id) }) }
    const proof = formatSessionProof(session, Date.now(), { method: 'POST', target: '/v1/tokens' })
    const order = sends({ audience: shop, count: 300 })
    const issued = await ask('-H', `Authorization: ${proof}`, ...order, `${url}/v1/tokens`)
    assert.equal(issued.status, 200, issued.bytes.toString())
    const tokens = issued.json['tokens'] as string[]
    assert.equal(new Set(tokens).size, 300)
    assert.equal(parseMerkleToken(tokens[299] ?? '').claims.sub, checkout)
  },
)

test(
  'curl reads a token log that verifies whole: checkpoint, entries and every tile',
  { skip: curl.skip },
  async () => {
    const { origin } = authority.issuer.log
    const held = authority.keys
      .list()
      .find(({ record }) => record.log === origin && record.use === 'qip-token')
    assert.ok(held?.record.name !== undefined)
    const base = `${url}/logs/${origin.slice('acme.example/'.length)}`
    const read = async (path: string): Promise<Buffer> => {
      const { status, bytes } = await ask(`${base}/${path}`)
      assert.equal(status, 200, path)
      return bytes
    }
    let entries = 0
    const checkpoint = await verifyTileLog({
      origin,
      vkeys: [subtreeVerifierKey(held.record.name, held.record.key)],
      readCheckpoint: () => read('checkpoint'),
      readTile: (tile) => read(tilePath(tile)),
      readEntries: (bundle) => read(bundlePath(bundle)),
      onEntry: () => {
        entries++
      },
    })
    // The genesis entry and 300 tokens: more than one tile.
    assert.ok(checkpoint.size > 300)
    assert.equal(entries, checkpoint.size)
  },
)

const refused: readonly (readonly [title: string, path: string, status: number])[] = [
  ['a log that there is not', '/logs/tokens/999/checkpoint', 404],
  ['a kind of log that there is not', '/logs/secrets/1/checkpoint', 400],
  ['a path that is none of a tile', '/logs/tokens/1/tile/0/0', 400],
  ['a path that climbs out', '/logs/tokens/1/..%2f..%2fkeys', 400],
  ['a head that nobody signed', '/v1/heads/00000000/0-1', 404],
  ['an address that there is not', '/v1/nothing', 404],
]
for (const [title, path, status] of refused) {
  test(`curl that asks for ${title} gets a problem with ${status}`, { skip: curl.skip }, async () => {
    const answer = await ask('--path-as-is', `${url}${path}`)
    assert.equal(answer.type, 'application/problem+json; charset=utf-8')
    assert.deepEqual([answer.status, answer.json['status']], [status, status], answer.bytes.toString())
    assert.match(String(answer.json['code']), /^QIP_/)
  })
}

test(
  'curl that asks for a tile beyond the end gets a problem, and no bytes that look like one',
  { skip: curl.skip },
  async () => {
    for (const path of ['tile/0/x001/000', 'tile/entries/x001/000', 'tile/0/000.p/255', 'tile/5/000']) {
      const { status, type } = await ask(`${url}/logs/attestations/1/${path}`)
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`)
      assert.match(type, /^application\/problem\+json/)
    }
  },
)

test('the Unix socket is the admin; the port is nobody', { skip: curl.skip }, async () => {
  assert.equal((await stat(socket)).mode & 0o777, 0o600)
  for (const path of ['/v1/keys', '/v1/fleet', '/v1/services', '/v1/acts']) {
    assert.equal((await asAdmin(path)).status, 200, path)
    assert.equal((await ask(`${url}${path}`)).status, 401, path)
  }
  const revocation = { kind: 'identity', value: `${td}/ns/prod/sa/nobody`, reason: 'test' }
  assert.equal((await ask(...sends(revocation), `${url}/v1/revocations`)).status, 401)
  const revoked = await asAdmin('/v1/revocations', ...sends(revocation))
  assert.deepEqual([revoked.status, revoked.json['epoch']], [200, 1], revoked.bytes.toString())
})

test('curl that sends what is not JSON, or too much of it, is told so', { skip: curl.skip }, async () => {
  const large = join(folder, 'large')
  await writeFile(large, `{"sid":"${'x'.repeat(8_000_000)}"}`)
  const type = ['-H', 'Content-Type: application/json']
  const duplicate = await asAdmin('/v1/join-tokens', ...type, '-d', '{"sid":"a","sid":"b"}')
  assert.deepEqual([duplicate.status, duplicate.json['code']], [400, 'QIP_BASE_JSON_MALFORMED'])
  const text = await asAdmin('/v1/join-tokens', '-H', 'Content-Type: text/plain', '-d', '{"sid":"a"}')
  assert.equal(text.status, 415, text.bytes.toString())
  // Over 1 MB curl waits for `100 Continue`, and here gets the refusal instead.
  const tooLarge = await asAdmin('/v1/join-tokens', ...type, '--data-binary', `@${large}`)
  assert.equal(tooLarge.status, 413, tooLarge.bytes.toString())
})

function secureAsk(keyExchange: KeyExchange, ...args: readonly string[]): Promise<Outcome> {
  const told = ['-sS', '--cacert', caFile, '-o', '/dev/null', '-w', '%{http_version} %{http_code}']
  const url = `https://127.0.0.1:${tlsPort(keyExchange)}/.well-known/quantum-ip`
  return runComponent(curl, [...told, ...args, url])
}

// X25519MLKEM768 came with OpenSSL 3.5.
const knowsHybrid = (version: string): boolean => {
  const [, major = 0, minor = 0] = (/OpenSSL[ /](\d+)\.(\d+)/.exec(version) ?? []).map(Number)
  return major > 3 || (major === 3 && minor >= 5)
}

test('curl over TLS reaches a listener that prefers X25519MLKEM768', { skip: curl.skip }, async () => {
  const { stdout, stderr } = await secureAsk('preferred')
  assert.equal(stdout.toString(), '1.1 200', stderr)
  // 35: the handshake failed.
  assert.equal((await secureAsk('preferred', '--tls-max', '1.2')).status, 35)
})

test(
  'a listener that requires X25519MLKEM768 takes curl only if curl has it',
  { skip: curl.skip },
  async (t) => {
    const { stdout, stderr, status } = await secureAsk('required')
    t.diagnostic(curl.version)
    if (knowsHybrid(curl.version)) assert.equal(stdout.toString(), '1.1 200', stderr)
    else assert.equal(status, 35, stderr)
  },
)

for (const keyExchange of keyExchanges) {
  test(
    `openssl s_client at a listener where X25519MLKEM768 is ${keyExchange}`,
    { skip: openssl.skip },
    async (t) => {
      const address = `127.0.0.1:${tlsPort(keyExchange)}`
      const call = ['s_client', '-connect', address, '-CAfile', caFile, '-verify_return_error', '-tls1_3']
      const { stdout, stderr, status } = await runComponent(openssl, call, { input: 'Q\n' })
      const said = `${stdout.toString()}${stderr}`
      t.diagnostic(openssl.version)
      if (knowsHybrid(openssl.version)) {
        assert.match(said, /Negotiated TLS1\.3 group: X25519MLKEM768/)
      } else if (keyExchange === 'preferred') {
        assert.match(said, /Server Temp Key: X25519, 253 bits/)
        assert.match(said, /Verify return code: 0 \(ok\)/)
      } else {
        assert.notEqual(status, 0)
        assert.match(said, /alert handshake failure/)
      }
    },
  )
}
