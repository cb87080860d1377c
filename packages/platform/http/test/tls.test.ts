import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, it } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import {
  createSelfSignedCertificate,
  type KeyExchange,
  type Server,
  type TlsGroup,
  tlsGroupOf,
} from '../src/index.ts'
import { call, eventually, started } from './support.ts'

const identity = createSelfSignedCertificate({ names: ['localhost', '127.0.0.1'] })

interface Counted {
  readonly groups: TlsGroup[]
  readonly refusals: string[]
}

async function secure(
  keyExchange: KeyExchange,
  counted: Counted,
  register: (server: Server) => void = addGroup,
) {
  const observer = {
    onGroup: (group: TlsGroup) => counted.groups.push(group),
    onRefused: (reason: string) => counted.refusals.push(reason),
  }
  return await started({ observer, limits: { headersTimeoutMs: 300 } }, register, [
    { host: '127.0.0.1', port: 0, tls: { ...identity, keyExchange } },
  ])
}

const addPostQuantum = ({ app }: Server): void => {
  app.get('/issue', { config: { access: 'open', postQuantum: true } }, () => ({ ok: true }))
}

const authenticateMember = () => ({ id: 'spiffe://a/b', verifier: true })
const addMember = ({ app }: Server): void => {
  app.get('/x', { config: { access: 'member' } }, () => ({ ok: true }))
}

function addGroup({ app }: Server): void {
  app.get('/group', { config: { access: 'open' } }, (request) => ({
    group: tlsGroupOf(request.raw.socket) ?? null,
  }))
}

/** The group as the client knows it: Node tells it on this side only. */
async function clientGroup(port: number, ecdhCurve: string): Promise<string> {
  return await new Promise((resolve) => {
    const socket: TLSSocket = connect({
      port,
      host: '127.0.0.1',
      ca: identity.certificate,
      ecdhCurve,
      servername: 'localhost',
    })
    socket.on('secureConnect', () => {
      const { name } = socket.getEphemeralKeyInfo() as { name?: string }
      // Not cut before the server has seen the end of the handshake.
      socket.on('close', () => resolve(name ?? 'none'))
      socket.resume().write('GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    })
    socket.on('error', (error) => resolve((error as Error & { code: string }).code))
  })
}

describe('a TLS listener', () => {
  it('tells the group of each connection as its client sees it, in either order of the client', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('preferred', counted)
    const lists: [string, TlsGroup][] = [
      ['X25519MLKEM768:X25519', 'X25519MLKEM768'],
      // Offers both, guesses X25519: asked again by HelloRetryRequest.
      ['X25519:X25519MLKEM768', 'X25519MLKEM768'],
      ['P-256:X25519MLKEM768', 'X25519MLKEM768'],
      ['X25519', 'X25519'],
      ['P-256:X25519', 'X25519'],
    ]
    for (const [ecdhCurve, group] of lists) {
      assert.equal(await clientGroup(at.port, ecdhCurve), group, ecdhCurve)
      const answer = await call({
        port: at.port,
        path: '/group',
        tls: { ca: identity.certificate, ecdhCurve },
      })
      assert.equal(answer.json['group'], group, ecdhCurve)
    }
    assert.deepEqual(counted, { groups: lists.flatMap(([, group]) => [group, group]), refusals: [] })
  })

  it('refuses the handshake of a client without X25519MLKEM768 where it is required, and counts it', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('required', counted)
    for (const ecdhCurve of ['X25519', 'P-256', 'P-256:X25519']) {
      assert.match(await clientGroup(at.port, ecdhCurve), /HANDSHAKE_FAILURE/)
    }
    await eventually(() => counted.refusals.length === 3)
    assert.deepEqual(counted, { groups: [], refusals: Array(3).fill('no_common_group') })
    assert.equal(await clientGroup(at.port, 'X25519MLKEM768'), 'X25519MLKEM768')
    assert.deepEqual(counted.groups, ['X25519MLKEM768'])
  })

  it('refuses a client that shares neither group', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('preferred', counted)
    assert.match(await clientGroup(at.port, 'P-256'), /HANDSHAKE_FAILURE/)
    await eventually(() => counted.refusals.length === 1)
    assert.deepEqual(counted.refusals, ['no_common_group'])
  })

  it('lets what is in flight finish when the server stops', async () => {
    const gate = Promise.withResolvers<void>()
    await using at = await secure('preferred', { groups: [], refusals: [] }, ({ app }) => {
      app.get('/wait', { config: { access: 'open' } }, async () => {
        await gate.promise
        return { done: true }
      })
    })
    const waiting = call({ port: at.port, path: '/wait', tls: { ca: identity.certificate } })
    await eventually(() => at.server.inFlight === 1)
    const stopped = at.server.close({ deadlineMs: 5_000 })
    await new Promise((resolve) => setTimeout(resolve, 60))
    gate.resolve()
    assert.equal((await waiting).text, '{"done":true}')
    assert.deepEqual(await stopped, { cut: 0 })
  })

  it('takes another certificate without a restart, and keeps its demands', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('required', counted)
    const next = createSelfSignedCertificate({ names: ['localhost'] })
    at.bound[0]?.renewTls(next)
    assert.equal((await call({ port: at.port, path: '/healthz', tls: { ca: next.certificate } })).status, 200)
    await assert.rejects(call({ port: at.port, path: '/healthz', tls: { ca: identity.certificate } }))
    assert.match(await clientGroup(at.port, 'X25519'), /HANDSHAKE_FAILURE/)
  })

  it('speaks nothing but TLS 1.3', async () => {
    await using at = await secure('preferred', { groups: [], refusals: [] })
    const code = await new Promise((resolve) => {
      connect({ port: at.port, host: '127.0.0.1', maxVersion: 'TLSv1.2', rejectUnauthorized: false }).on(
        'error',
        (error) => resolve((error as Error & { code: string }).code),
      )
    })
    assert.match(String(code), /PROTOCOL_VERSION/)
  })

  it('cuts connections that send no ClientHello, something else, or half of one', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('preferred', counted)
    for (const bytes of ['', 'GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00']) {
      const socket = connectTcp(at.port, '127.0.0.1')
      socket.on('error', () => {})
      if (bytes !== '') socket.write(Buffer.from(bytes, 'latin1'))
      await new Promise((resolve) => {
        socket.on('close', resolve)
        socket.resume()
      })
    }
    assert.equal(
      (await call({ port: at.port, path: '/healthz', tls: { ca: identity.certificate } })).status,
      200,
    )
    assert.deepEqual(counted.groups, ['X25519MLKEM768'])
  })

  it('reads a ClientHello that arrives byte by byte', async () => {
    const counted: Counted = { groups: [], refusals: [] }
    await using at = await secure('preferred', counted)
    const through = connectTcp(at.port, '127.0.0.1')
    // A client whose first flight is cut into pieces on its way.
    const slow = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        const pieces: Buffer[] = []
        for (let i = 0; i < chunk.length; i += 200) pieces.push(chunk.subarray(i, i + 200))
        const next = (): void => {
          const piece = pieces.shift()
          if (piece === undefined) done()
          else {
            through.write(piece)
            setImmediate(next)
          }
        }
        next()
      },
    })
    through.on('data', (chunk) => slow.push(chunk))
    const socket = connect({ socket: slow, ca: identity.certificate, servername: 'localhost' })
    await new Promise((resolve, reject) => {
      socket.on('secureConnect', resolve)
      socket.on('error', reject)
    })
    assert.equal((socket.getEphemeralKeyInfo() as { name?: string }).name, 'X25519MLKEM768')
    await eventually(() => counted.groups.length === 1)
    through.destroy()
    socket.destroy()
  })

  it('asks for X25519MLKEM768 on routes that demand it, off the loopback', async () => {
    await using at = await secure('preferred', { groups: [], refusals: [] }, addPostQuantum)
    // From the loopback any connection will do; elsewhere is what inject can pretend to be.
    const { app } = at.server
    const far = await app.inject({ path: '/issue', remoteAddress: '198.51.100.7' })
    assert.deepEqual([far.statusCode, far.json().code], [403, 'QIP_HTTP_POST_QUANTUM_REQUIRED'])
    const near = await call({
      port: at.port,
      path: '/issue',
      tls: { ca: identity.certificate, ecdhCurve: 'X25519' },
    })
    assert.equal(near.status, 200)
  })

  it('takes no credential over an unencrypted connection off the loopback, unless told to', async () => {
    const request = { path: '/x', remoteAddress: '198.51.100.7', headers: { authorization: 'Bearer x' } }
    await using strict = await started({ authenticateMember }, addMember)
    const refused = await strict.server.app.inject(request)
    assert.deepEqual([refused.statusCode, refused.json().code], [403, 'QIP_HTTP_CREDENTIAL_IN_PLAINTEXT'])
    await using behind = await started({ authenticateMember, plaintextCredentials: true }, addMember)
    assert.equal((await behind.server.app.inject(request)).statusCode, 200)
  })

  it('refuses a certificate that OpenSSL refuses', async () => {
    const tls = { certificate: 'x', key: 'y', keyExchange: 'preferred' } as const
    await assert.rejects(
      started({}, () => {}, [{ host: '127.0.0.1', port: 0, tls }]),
      { code: 'QIP_HTTP_CERTIFICATE_INVALID' },
    )
  })
})
