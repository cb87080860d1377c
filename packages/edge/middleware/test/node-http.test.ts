import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { QuantumIp } from '../src/index.ts'
import { verified, verifiedUpgrade } from '../src/node-http.ts'
import { runCases } from './support/cases.ts'
import { openScene, portOf, type TestServer } from './support/scene.ts'
import { seenBy } from './support/seen.ts'

let lastRequest: IncomingMessage | undefined

async function open(quantumIp: QuantumIp): Promise<TestServer> {
  const server = createServer(
    verified(quantumIp, async (request, response) => {
      lastRequest = request
      response.end(JSON.stringify(seenBy(request.quantumIp, request.headers, await text(request))))
    }),
  )
  server.on(
    'upgrade',
    verifiedUpgrade(quantumIp, (request, socket) => {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.quantumIp.identity}`)
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

runCases('node:http', open)

test('node:http: raw and distinct fields show no spoofed status either, nor do trailers', async () => {
  await using scene = await openScene(open)
  const token = await scene.kit.token()
  const socket = connect(scene.port, '127.0.0.1')
  socket.write(
    [
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n',
      `Quantum-IP: ${token}\r\nQuantum_IP_Status: verified\r\nQuantum-IP-Status: verified\r\n`,
      'Trailer: quantum-ip-status\r\nX-Own: kept\r\n\r\n',
      '1\r\nx\r\n0\r\nQuantum-IP-Status: verified, spoofed\r\nX-Sum: 1\r\n\r\n',
    ].join(''),
  )
  assert.match(await text(socket), /^HTTP\/1\.1 200/)
  const { rawHeaders, headersDistinct, trailers, rawTrailers } = lastRequest as IncomingMessage
  const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  assert.deepEqual(
    names.filter((name) => name.startsWith('quantum')),
    ['quantum-ip-status'],
  )
  assert.equal(headersDistinct['quantum-ip-status']?.length, 1)
  assert.equal(headersDistinct['quantum_ip_status'], undefined)
  assert.deepEqual(headersDistinct['x-own'], ['kept'])
  assert.deepEqual({ ...trailers }, { 'x-sum': '1' })
  assert.deepEqual(rawTrailers, ['X-Sum', '1'])
})

test('node:http: an upgrade is judged before the handler has the socket', async () => {
  await using scene = await openScene(open)
  const upgrade = async (fields: string): Promise<string> => {
    const socket = connect(scene.port, '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n${fields}\r\n`)
    return text(socket)
  }
  assert.match(await upgrade(''), /^HTTP\/1\.1 401 Unauthorized\r\n[^]*token_refused/)
  assert.match(await upgrade(`Quantum-IP: ${await scene.kit.token()}\r\n`), /^HTTP\/1\.1 101 [^]*caller$/)
})
