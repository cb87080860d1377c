// What stands behind the gateways of the bench: answers every request with the same bytes, at next to no cost.
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { answerLines } from '../lib/answer-lines.ts'

const body = JSON.stringify({ order: 17, items: [{ sku: 'A-1', count: 2 }], total: '19.90', currency: 'EUR' })
const fields = [
  'HTTP/1.1 200 OK',
  'content-type: application/json',
  'cache-control: no-store',
  `content-length: ${body.length}`,
]
const answer = Buffer.from(`${fields.join('\r\n')}\r\n\r\n${body}`)

const server = createServer({ noDelay: true }, (socket) => {
  let held = ''
  socket.on('data', (chunk) => {
    held += chunk.toString('latin1')
    // Requests of the bench have no body: each ends with its head.
    for (let end = held.indexOf('\r\n\r\n'); end >= 0; end = held.indexOf('\r\n\r\n')) {
      held = held.slice(end + 4)
      socket.write(answer)
    }
  })
  socket.on('error', () => socket.destroy())
})

server.listen(0, '127.0.0.1', 1_024, () => {
  answerLines({ info: { port: (server.address() as AddressInfo).port }, close: () => server.close() })
})
