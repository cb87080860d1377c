import assert from 'node:assert/strict'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { admit, openSession, openTokenPool, openTransport, requestObject } from '@quantum-ip/client'
import { formatMetrics, type LogRecord } from '@quantum-ip/telemetry'
import { pinsOf } from '@quantum-ip/trust'
import { allocateReplayMemory, ReplayFilter } from '@quantum-ip/verifier'
import { running, type Running, until } from '../../../platform/authority/test/mirror-support.ts'
import { shop, td } from '../../../platform/authority/test/support.ts'
import { createServiceFetch } from '../src/fetch.ts'
import { openQuantumIp, type OpenQuantumIpOptions } from '../src/index.ts'
import { verified } from '../src/node-http.ts'
import { portOf } from './support/scene.ts'

const web = `${td}/ns/prod/sa/web`

async function joinToken({ socket }: Running, sid: string, role: 'verifier' | 'workload'): Promise<string> {
  await using admin = openTransport({ url: `unix:${socket}` })
  const request = { operation: 'a join token', method: 'POST', target: '/v1/join-tokens' } as const
  const answer = await requestObject(admin, { ...request, json: { sid, role } })
  return answer.text('token')
}

function optionsOf(of: Running, folder: string): OpenQuantumIpOptions {
  const { thumbprints } = pinsOf(of.authority.root)
  return {
    service: shop,
    point: 'shop-1',
    authority: { url: of.url, trustDomain: td, rootThumbprints: thumbprints },
    folder: join(of.folder, folder),
    sampleRatio: 1,
  }
}

test('a service that joins its trust domain verifies tokens that a caller draws from the authority', async () => {
  await using of = await running()
  const records: LogRecord[] = []
  const token = await joinToken(of, shop, 'verifier')
  const decisions = { write: (record: LogRecord) => void records.push(record) }
  // One clock for both sides, so one-time tokens need not wait for the time that clocks may differ.
  const memory = allocateReplayMemory({ bytes: 1_048_576, startedMs: Date.now() })
  const verification = { replay: new ReplayFilter(memory, { floorSkewMs: 0 }) }
  const options = { ...optionsOf(of, 'shop'), joinToken: token, decisions, verification }
  await using quantumIp = await openQuantumIp(options)
  await until(() => quantumIp.verifier.ready())
  await using server = createServer(
    verified(quantumIp, (request, response) => response.end(request.quantumIp.identity)),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')

  await using transport = openTransport({ url: of.url })
  const evidence = { token: await joinToken(of, web, 'workload') }
  const admission = await admit(transport, { method: 'join-token', evidence })
  using session = openSession({ transport, admission })
  const origin = `http://127.0.0.1:${portOf(server)}`
  using tokens = openTokenPool(session, { audience: shop, oneTime: true })
  const call = createServiceFetch({ audience: shop, origin, tokens })
  for (let i = 0; i < 3; i++) assert.equal(await (await call(origin)).text(), web)
  assert.equal((await fetch(origin)).status, 401)

  assert.deepEqual(
    records.map((record) => record.kind === 'decision' && record.reason),
    ['ok', 'ok', 'ok', 'token_absent'],
  )
  const counted = formatMetrics(quantumIp.metrics)
  assert.match(counted, /quantum_ip_verifications_total\{[^}]*reason="ok"[^}]*\} 3/)
  assert.match(counted, /quantum_ip_decisions_total\{[^}]*reason="token_absent"[^}]*\} 1/)
})

test('a restart needs no other join token, and the session is readable to nobody else', async () => {
  await using of = await running()
  const options = optionsOf(of, 'shop')
  await assert.rejects(openQuantumIp(options), /qip join-token <service> --role verifier/)
  const token = await joinToken(of, shop, 'verifier')
  {
    await using first = await openQuantumIp({ ...options, joinToken: token })
    assert.equal(first.follower.status().staleness, undefined)
  }
  assert.equal((await stat(join(options.folder, 'session'))).mode & 0o777, 0o600)
  await using second = await openQuantumIp(options)
  assert.equal(second.follower.status().staleness, undefined)
})

test('while the authority is away the session and the trust of the last start are taken', async () => {
  await using of = await running()
  const options = optionsOf(of, 'shop')
  const token = await joinToken(of, shop, 'verifier')
  {
    await using first = await openQuantumIp({ ...options, joinToken: token })
    assert.ok(first.follower.status().seq !== undefined)
  }
  await of.stop()
  await using second = await openQuantumIp(options)
  assert.ok(second.follower.status().seq !== undefined)
})
