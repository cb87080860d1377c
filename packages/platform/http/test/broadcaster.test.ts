import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import {
  type BroadcasterOptions,
  type FeedEvent,
  formatFeedEvent,
  openBroadcaster,
  type Server,
} from '../src/index.ts'
import { eventually, feedClient, raw, started } from './support.ts'

const event = (id: number, data = `{"n":${id}}`): FeedEvent => ({ id: String(id), event: 'state', data })

async function feed(options: BroadcasterOptions, greeting: readonly FeedEvent[] = []) {
  const broadcaster = openBroadcaster(options)
  const at = await started({ limits: { inFlightMax: 1 } }, (server: Server) => {
    server.onStop(() => broadcaster.close())
    const config = { access: 'open', longLived: true } as const
    server.app.get('/feed', { config }, (request, reply) => {
      const owner = request.headers['x-owner']
      broadcaster.attach(request, reply, { greeting, ...(typeof owner === 'string' ? { owner } : {}) })
    })
  })
  return Object.assign(at, { broadcaster })
}

describe('formatFeedEvent', () => {
  it('keeps line breaks of data, and refuses those that would forge fields', () => {
    const text = formatFeedEvent({ id: '1', event: 'a', data: 'x\nid: 9\r\ny' }).toString()
    assert.equal(text, 'id: 1\nevent: a\ndata: x\ndata: id: 9\ndata: y\n\n')
    for (const id of ['1\nid: 2', '1\r', '\0'])
      assert.throws(() => formatFeedEvent({ id, event: 'a', data: '' }), TypeError)
    assert.throws(() => formatFeedEvent({ id: '1', event: 'a\nb', data: '' }), TypeError)
  })
})

describe('a feed', () => {
  it('sends the same bytes of each event to every client', async () => {
    await using at = await feed({})
    const clients = await Promise.all(Array.from({ length: 5 }, () => feedClient(at.port)))
    for (let id = 1; id <= 20; id++) at.broadcaster.publish(event(id))
    for (const client of clients) {
      await client.until((text) => text.includes('id: 20\n'))
      assert.deepEqual(
        client.ids,
        Array.from({ length: 20 }, (_, i) => String(i + 1)),
      )
      assert.match(client.text, /^HTTP\/1.1 200 OK\r\ncontent-type: text\/event-stream\r\n/)
      assert.ok(!client.text.toLowerCase().includes('transfer-encoding'))
      assert.ok(client.text.includes(formatFeedEvent(event(7)).toString()))
    }
    // A feed is not in flight: it would use up what requests may have.
    assert.equal(at.server.inFlight, 0)
    assert.equal(at.broadcaster.clients, 5)
  })

  it('resumes after Last-Event-ID without a gap or a repeat, while events go on', async () => {
    await using at = await feed({})
    for (let id = 1; id <= 10; id++) at.broadcaster.publish(event(id))
    const connecting = feedClient(at.port, { 'last-event-id': '4' })
    at.broadcaster.publish(event(11))
    const client = await connecting
    at.broadcaster.publish(event(12))
    await client.until((text) => text.includes('id: 12\n'))
    assert.deepEqual(client.ids, ['5', '6', '7', '8', '9', '10', '11', '12'])
    assert.ok(!client.text.includes('event: gap'))
  })

  it('tells a gap where the event is no longer, or was never, known', async () => {
    await using at = await feed({ eventsMax: 3 }, [event(100, 'present')])
    for (let id = 1; id <= 10; id++) at.broadcaster.publish(event(id))
    for (const lastId of ['7', 'of another life']) {
      const client = await feedClient(at.port, { 'last-event-id': lastId })
      await client.until((text) => text.includes('data: present'))
      assert.ok(client.text.indexOf('event: gap') < client.text.indexOf('data: present'))
      assert.deepEqual(client.ids, ['100'])
    }
    const kept = await feedClient(at.port, { 'last-event-id': '8' })
    await kept.until((text) => text.includes('id: 10\n'))
    assert.deepEqual(kept.ids, ['9', '10'])
  })

  it('bounds what it keeps in bytes, too', async () => {
    await using at = await feed({ ringBytesMax: 2_000 })
    for (let id = 1; id <= 10; id++) at.broadcaster.publish(event(id, 'x'.repeat(900)))
    const client = await feedClient(at.port, { 'last-event-id': '7' })
    await client.until((text) => text.includes('event: gap'))
  })

  it('tells a gap where what was missed is more than the buffer of a client takes', async () => {
    await using at = await feed({ clientBytesMax: 5_000 })
    for (let id = 1; id <= 10; id++) at.broadcaster.publish(event(id, 'x'.repeat(900)))
    const client = await feedClient(at.port, { 'last-event-id': '1' })
    await client.until((text) => text.includes('event: gap'))
    assert.deepEqual([client.ids, at.broadcaster.dropped], [[], 0])
  })

  it('does not count a client that went before it was let in', async () => {
    const gate = Promise.withResolvers<void>()
    let asked = false
    using broadcaster = openBroadcaster()
    await using at = await started({}, ({ app }) => {
      app.get('/feed', { config: { access: 'open', longLived: true } }, async (request, reply) => {
        asked = true
        await gate.promise
        broadcaster.attach(request, reply)
      })
    })
    const socket = connect(at.port, '127.0.0.1')
    socket.write('GET /feed HTTP/1.1\r\nhost: a\r\n\r\n')
    await eventually(() => asked)
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 50))
    gate.resolve()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(broadcaster.clients, 0)
  })

  it('drops a client that does not read, and no other', async () => {
    const reasons: string[] = []
    await using at = await feed({ clientBytesMax: 100_000, onDrop: (reason) => reasons.push(reason) })
    const slow = await feedClient(at.port)
    slow.socket.pause()
    const quick = await feedClient(at.port)
    const data = 'x'.repeat(50_000)
    let id = 0
    // As much as the buffers of both ends' kernels hold, and then what is waiting in this process.
    while (at.broadcaster.dropped === 0 && id < 2_000) {
      at.broadcaster.publish(event(++id, data))
      await quick.until((text) => text.includes(`id: ${id}\n`))
      quick.text = ''
    }
    assert.deepEqual([at.broadcaster.dropped, reasons, at.broadcaster.clients], [1, ['slow'], 1])
    slow.socket.resume()
    await slow.untilClosed()
    at.broadcaster.publish(event(++id, 'after'))
    await quick.until((text) => text.includes('data: after'))
  })

  it('refuses clients above its limit, and takes others when they go', async () => {
    await using at = await feed({ clientsMax: 1 })
    const first = await feedClient(at.port)
    const answer = await raw(at.port, 'GET /feed HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    assert.match(answer, /^HTTP\/1.1 503 [^]*QIP_HTTP_FEED_FULL/)
    first.socket.destroy()
    await eventually(() => at.broadcaster.clients === 0)
    const next = await feedClient(at.port)
    assert.equal(next.closed, false)
  })

  it('ends the connections of one owner', async () => {
    const reasons: string[] = []
    await using at = await feed({ onDrop: (reason) => reasons.push(reason) })
    const [mine, also, other] = await Promise.all([
      feedClient(at.port, { 'x-owner': 'a' }),
      feedClient(at.port, { 'x-owner': 'a' }),
      feedClient(at.port, { 'x-owner': 'b' }),
    ])
    assert.equal(at.broadcaster.disconnect('a'), 2)
    await Promise.all([mine.untilClosed(), also.untilClosed()])
    assert.deepEqual(
      [other.closed, at.broadcaster.clients, reasons],
      [false, 1, ['disconnected', 'disconnected']],
    )
  })

  it('keeps connections alive with comments', async () => {
    await using at = await feed({ keepAliveMs: 20 })
    const client = await feedClient(at.port)
    await client.until((text) => text.includes('\n:\n\n:\n\n'))
  })

  it('ends all connections when the server stops, and takes no more', async () => {
    await using at = await feed({})
    const client = await feedClient(at.port)
    at.broadcaster.publish(event(1))
    assert.deepEqual(await at.server.close({ deadlineMs: 5_000 }), { cut: 0 })
    await client.untilClosed()
    assert.deepEqual(client.ids, ['1'])
    at.broadcaster.publish(event(2))
    assert.equal(at.broadcaster.clients, 0)
  })

  it('refuses an event ID that was published before', async () => {
    using broadcaster = openBroadcaster()
    broadcaster.publish(event(1))
    assert.throws(() => broadcaster.publish(event(1)), TypeError)
  })
})
