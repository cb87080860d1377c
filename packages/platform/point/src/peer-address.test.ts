import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseListedPeers } from './listed-peers.ts'
import { peerAddress } from './peer-address.ts'

// Who sent a request, as the server sees it when the request is there.
async function seenBy(to: { path: string } | { port: 0 }, send: (client: Socket) => void): Promise<string> {
  const server = createServer()
  server.listen('path' in to ? to : { ...to, host: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  const client = connect(typeof address === 'object' && address !== null ? { port: address.port } : to)
  client.on('error', () => undefined)
  const seen = once(server, 'request').then(([request]) => peerAddress((request as IncomingMessage).socket))
  await once(client, 'connect')
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n', () => send(client))
  const peer = await seen
  client.destroy()
  server.closeAllConnections()
  server.close()
  return peer
}

test('a peer is its address', async () => {
  assert.match(await seenBy({ port: 0 }, () => undefined), /127\.0\.0\.1$/)
})

test('a peer on a Unix socket has none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-peer-'))
  try {
    assert.equal(await seenBy({ path: join(folder, 'socket') }, () => undefined), '')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a peer that sends a request and resets the connection does not pass for one on a Unix socket', async () => {
  const unix = parseListedPeers(['unix'])
  // Its address may have been looked at before it was gone.
  const peer = await seenBy({ port: 0 }, (client) => client.resetAndDestroy())
  assert.match(peer, /^unknown$|127\.0\.0\.1$/)
  assert.equal(unix.includes(peer), false)
})

test('a connection that is closed is nobody', () => {
  const gone = new Socket().destroy()
  assert.equal(peerAddress(gone), 'unknown')
  assert.equal(parseListedPeers(['unix', '0.0.0.0/0', '::/0']).includes('unknown'), false)
})
