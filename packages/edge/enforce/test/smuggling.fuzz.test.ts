import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { openRaw } from './support/raw.ts'
import { openTestRelay } from './support/relays.ts'

const hidden = 'GET /hidden-00000 HTTP/1.1\r\nhost: a\r\n\r\n'

const framing = fc.constantFrom(
  'content-length: 0',
  `content-length: ${hidden.length}`,
  'content-length: 5',
  'Content-Length: 05',
  'content-length : 5',
  'content-length: 5, 5',
  'content-length: 5\r\ncontent-length: 0',
  ' content-length: 5',
  'content_length: 0',
  'x: y\r\n content-length: 5',
  'x: y\rcontent-length: 5',
  'x: y\ncontent-length: 5',
  'transfer-encoding: chunked',
  'Transfer-Encoding : chunked',
  'transfer-encoding:\tchunked',
  'transfer-encoding: chunked, identity',
  'transfer-encoding: identity, chunked',
  'transfer-encoding: xchunked',
  'transfer-encoding: "chunked"',
  'transfer-encoding: chunked\r\ntransfer-encoding: x',
  'transfer_encoding: chunked',
  'transfer-encoding: chunked;q=1',
  'x: y\n\ntransfer-encoding: chunked',
  'connection: content-length',
  'connection: transfer-encoding',
  'connection: upgrade\r\nupgrade: websocket',
  'connection: upgrade\r\nupgrade: h2c',
  'expect: 100-continue',
  'host: b',
)

const content = fc.constantFrom(
  hidden,
  `0\r\n\r\n${hidden}`,
  `5\r\nabcde\r\n0\r\n\r\n${hidden}`,
  `5;x=\n\r\nabcde\r\n0\r\n\r\n${hidden}`,
  `5\nabcde\n0\n\n${hidden}`,
  `0\r\nx: y\r\n\r\n${hidden}`,
  `00000000000000005\r\nabcde\r\n0\r\n\r\n${hidden}`,
  `-5\r\nabcde\r\n0\r\n\r\n${hidden}`,
  `0x5\r\nabcde\r\n0\r\n\r\n${hidden}`,
  `abcde${hidden}`,
  '',
)

// What is behind the first request may be a request of its own, in the open: then the guard has seen it. What
// must never be is that the upstream sees one that the guard has not.
test('shows the upstream no request that the guard has not seen, however the first one is framed', async () => {
  let run = 0
  const guarded: string[] = []
  const reached: string[] = []
  const server = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`)
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  server.on('clientError', (_, socket) => {
    reached.push('what is no request')
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay = await openTestRelay(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    timeouts: { idleMs: 30, headMs: 100 },
    decide: (request, upstream) => {
      guarded.push(`${request.method} ${request.path}`)
      return { action: 'pass', upstream }
    },
  })
  const first = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'PURGE'),
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    fields: fc.array(framing, { minLength: 1, maxLength: 2 }),
    content,
    cut: fc.integer({ min: 1, max: 200 }),
  })
  try {
    await fc.assert(
      fc.asyncProperty(first, async ({ method, version, fields, content, cut }) => {
        // Each run has paths of its own, all of one length.
        run++
        const number = String(run).padStart(5, '0')
        const client = await openRaw(relay.port)
        const request =
          `${method} /first-00000 HTTP/${version}\r\nhost: a\r\n${fields.join('\r\n')}\r\n\r\n${content}`.replaceAll(
            '-00000',
            `-${number}`,
          )
        client.send(request.slice(0, cut))
        await new Promise(setImmediate)
        client.send(request.slice(cut))
        await Promise.race([client.until(/HTTP\/1\.1 [2-5][0-9]{2} [^]*\r\n\r\n/), client.closed()])
        await new Promise(setImmediate)
        client.socket.destroy()
        for (const each of reached) assert.ok(guarded.includes(each), `${each} after ${guarded.join(', ')}`)
      }),
      { numRuns: 500 },
    )
    assert.ok(reached.length > 20, `${reached.length} requests came through`)
    const alive = await openRaw(relay.port)
    alive.send('GET /alive HTTP/1.1\r\nhost: a\r\n\r\n')
    await alive.until(/ok$/)
    alive.socket.destroy()
  } finally {
    await relay.relay.close()
    server.closeAllConnections()
    server.close()
  }
})
