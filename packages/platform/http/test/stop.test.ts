import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { openServer, type Server } from '../src/index.ts'
import { call, eventually, raw, started } from './support.ts'

const open = { access: 'open' } as const

function addWait(gate: Promise<void>): (server: Server) => void {
  return ({ app }) => {
    app.get('/wait', { config: open }, async () => {
      await gate
      return { done: true }
    })
  }
}

describe('a stop', () => {
  it('lets what is in flight finish, and takes nothing new', async () => {
    const gate = Promise.withResolvers<void>()
    await using at = await started({}, addWait(gate.promise))
    const waiting = call({ port: at.port, path: '/wait' })
    await eventually(() => at.server.inFlight === 1)
    const stopped = at.server.close({ deadlineMs: 5_000 })
    await assert.rejects(call({ port: at.port, path: '/healthz' }), { code: 'ECONNREFUSED' })
    gate.resolve()
    const answer = await waiting
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.connection, 'close')
    assert.deepEqual(await stopped, { cut: 0 })
  })

  it('refuses further requests of connections that are open, but their health checks', async () => {
    const gate = Promise.withResolvers<void>()
    await using at = await started({}, addWait(gate.promise))
    const both = raw(at.port, 'GET /wait HTTP/1.1\r\nhost: a\r\n\r\n')
    await eventually(() => at.server.inFlight === 1)
    // A second connection that has begun to send before the stop.
    const late = connect(at.port, '127.0.0.1')
    const text = new Promise<string>((resolve) => {
      let found = ''
      late.on('data', (chunk) => {
        found += String(chunk)
      })
      late.on('close', () => resolve(found))
    })
    late.write('GET /wait HTTP/1.1\r\n')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const stopped = at.server.close({ deadlineMs: 5_000 })
    late.write('host: a\r\n\r\n')
    assert.match(await text, /^HTTP\/1.1 503 [^]*QIP_HTTP_STOPPING/)
    gate.resolve()
    assert.match(await both, /"done":true/)
    assert.deepEqual(await stopped, { cut: 0 })
  })

  it('cuts what is not finished at the deadline, and says how much', async () => {
    await using at = await started({}, addWait(new Promise(() => {})))
    const waiting = call({ port: at.port, path: '/wait' })
    await eventually(() => at.server.inFlight === 1)
    const stopped = at.server.close({ deadlineMs: 60 })
    await assert.rejects(waiting, { code: 'ECONNRESET' })
    assert.deepEqual(await stopped, { cut: 1 })
  })

  it('does not wait for idle and silent connections', async () => {
    await using at = await started({}, () => {})
    const agent = new Agent({ keepAlive: true })
    await new Promise<void>((resolve, reject) => {
      request({ port: at.port, host: '127.0.0.1', path: '/healthz', agent }, (response) => {
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
    const silent = connect(at.port, '127.0.0.1')
    silent.on('error', () => {})
    await new Promise((resolve) => silent.on('connect', resolve))
    assert.deepEqual(await at.server.close({ deadlineMs: 10_000 }), { cut: 0 })
    agent.destroy()
  })

  it('is one stop however often it is asked for, and runs what was registered', async () => {
    const server = await openServer({ title: 't', version: '1' })
    let told = 0
    server.onStop(() => {
      told++
    })
    await server.listen([{ host: '127.0.0.1', port: 0 }])
    const [first, second] = await Promise.all([server.close(), server.close()])
    assert.deepEqual(first, second)
    assert.equal(told, 1)
    assert.equal(server.stopping, true)
  })
})
