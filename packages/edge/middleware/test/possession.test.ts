import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { suite, test } from 'node:test'
import { runPossessionCases } from '../../../core/verifier/test/possession-point.ts'
import { makeCertificate, type TestCertificate } from '../../enforce/test/support/certificates.ts'
import type { QuantumIpOptions } from '../src/index.ts'
import { openScene, type Scene } from './support/scene.ts'
import { secureServers } from './support/secure-servers.ts'

const server = makeCertificate('server')
const issuer = makeCertificate('clients')
const caller = makeCertificate('caller', 'spiffe://example.test/caller', issuer)
const other = makeCertificate('other', undefined, issuer)
const stranger = makeCertificate('stranger')

function openSecure(framework: string, options: Partial<QuantumIpOptions> = {}): Promise<Scene> {
  const open = secureServers[framework] ?? assert.fail(framework)
  return openScene((quantumIp) => open(quantumIp, { server, issuer }), { explains: true, ...options })
}

interface Answer {
  readonly status: number
  readonly json: { readonly reason?: string; readonly headers?: Readonly<Record<string, unknown>> }
}

async function ask(
  { port }: Scene,
  token: string,
  { fields = [], client }: { readonly fields?: readonly string[]; readonly client?: TestCertificate } = {},
): Promise<Answer> {
  const headers = ['Host', 'shop.example.test', 'Quantum-IP', token, ...fields]
  const identity = client && { cert: client.cert, key: client.key }
  const to = { port, host: '127.0.0.1', agent: false, path: '/cart?x=1', ca: server.cert, ...identity }
  const request = httpsRequest({ ...to, headers })
  request.end()
  const [response] = await once(request, 'response')
  const text: string = (await response.setEncoding('utf8').toArray()).join('')
  return { status: response.statusCode, json: JSON.parse(text) }
}

for (const framework of Object.keys(secureServers)) {
  runPossessionCases(`${framework} with TLS`, async () => {
    const scene = await openSecure(framework)
    return {
      uri: 'https://shop.example.test/cart',
      // What was made in the second in which the verifier began, or before, may have been used before: it is not taken.
      get nowS() {
        return Date.now() / 1_000 + 2
      },
      async issue(confirmation) {
        const [one, two] = [await scene.kit.issue({ confirmation }), await scene.kit.issue({ confirmation })]
        return [one.token, two.token]
      },
      async send(token, proofs) {
        const fields = proofs.flatMap((proof) => ['Workload-Proof-Token', proof])
        const { status, json } = await ask(scene, token, { fields })
        const seen = json.headers?.['workload-proof-token']
        return { passes: status === 200, reason: json.reason, seen: typeof seen === 'string' ? [seen] : [] }
      },
      [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
    }
  })

  suite(`${framework}, for a token that is bound to a certificate`, () => {
    const x5tS256 = caller.thumbprint

    test('takes it from the connection that shows it, and no other, whatever fields say', async () => {
      await using scene = await openSecure(framework)
      const { token } = await scene.kit.issue({ confirmation: { x5tS256 } })
      assert.equal((await ask(scene, token, { client: caller })).status, 200)
      const fields = ['X-Forwarded-Client-Cert', `Hash=${caller.thumbprint.toString('hex')}`]
      for (const how of [
        {},
        { client: other },
        { fields },
        { client: other, fields },
        { client: stranger },
      ]) {
        const { status, json } = await ask(scene, token, how)
        assert.deepEqual([status, json.reason], [401, 'binding_mismatch'])
      }
    })

    test('takes it from a listed proxy that tells of it, and not for the certificate of the proxy', async () => {
      const clientCertificates = { from: 'client-cert', peers: ['127.0.0.0/8'] } as const
      await using scene = await openSecure(framework, { clientCertificates })
      const { token } = await scene.kit.issue({ confirmation: { x5tS256 } })
      const told = ['Client-Cert', `:${caller.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`]
      assert.equal((await ask(scene, token, { fields: told, client: other })).status, 200)
      for (const how of [{}, { client: caller }, { fields: [...told, ...told] }]) {
        assert.equal((await ask(scene, token, how)).json.reason, 'binding_mismatch')
      }
    })

    test('believes no proxy that is not listed', async () => {
      const clientCertificates = { from: 'client-cert', peers: ['10.0.0.0/8', 'unix'] } as const
      await using scene = await openSecure(framework, { clientCertificates })
      const { token } = await scene.kit.issue({ confirmation: { x5tS256 } })
      const fields = ['Client-Cert', `:${caller.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`]
      for (const how of [{ fields }, { fields, client: caller }]) {
        assert.equal((await ask(scene, token, how)).json.reason, 'binding_mismatch')
      }
    })
  })
}

test('a peer that is no address is refused', async () => {
  const clientCertificates = { from: 'nginx', peers: ['proxy.example'] } as const
  await assert.rejects(openSecure('node:https', { clientCertificates }), TypeError)
})

test('HTTP/2: each stream of a connection is by whoever showed the certificate', async () => {
  await using scene = await openSecure('node:http2')
  const { token } = await scene.kit.issue({ confirmation: { x5tS256: caller.thumbprint } })
  const statuses: number[] = []
  for (const { cert, key } of [caller, other]) {
    const session = connect(`https://127.0.0.1:${scene.port}`, { ca: server.cert, cert, key })
    for (let i = 0; i < 2; i++) {
      const stream = session.request({
        ':path': '/cart',
        ':authority': 'shop.example.test',
        'quantum-ip': token,
      })
      const [headers] = await once(stream, 'response')
      statuses.push(headers[':status'])
      stream.close()
    }
    session.close()
    await once(session, 'close')
  }
  assert.deepEqual(statuses, [200, 200, 401, 401])
})
