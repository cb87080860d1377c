import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { admit, openSession, openTokenPool, openTransport, requestObject } from '@quantum-ip/client'
import { formatMetrics, type LogRecord } from '@quantum-ip/telemetry'
import { pinsOf } from '@quantum-ip/trust'
import { allocateReplayMemory, ReplayFilter } from '@quantum-ip/verifier'
import { running, type Running, until } from '../../../platform/authority/test/mirror-support.ts'
import { issue, shop, td } from '../../../platform/authority/test/support.ts'
import { createServiceFetch } from '../src/fetch.ts'
import { openQuantumIp, type OpenQuantumIpOptions, type QuantumIp } from '../src/index.ts'
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

function policyText(version: number, action: 'allow' | 'reject', more = ''): string {
  return `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: shop, version: ${version} }
spec:
  mode: enforce
  default: { verified: ${action}, missing: reject, invalid: reject, unverifiable: reject }
${more}`
}

async function rollOut({ authority }: Running, text: string): Promise<void> {
  await authority.promotions.publish({ text, comment: '', by: 'alice', activate: true })
}

const call = {
  method: 'GET',
  authority: 'shop',
  scheme: 'http',
  target: '/',
  host: 'shop',
  path: '/',
} as const

async function statusOf(quantumIp: QuantumIp, token: string): Promise<number> {
  const judged = await quantumIp.judge({ at: call, reserved: ['quantum-ip', token] })
  return judged.passes ? 200 : judged.answer.status
}

async function heldVersion({ authority }: Running): Promise<number | undefined> {
  const [member] = await authority.fleet.read()
  return member?.policies?.[0]?.version
}

test('follows a policy that the authority rolls out, tells the fleet, and keeps it over a restart without an authority', async () => {
  await using of = await running()
  const events: string[] = []
  const onEvent = (text: string): void => void events.push(text)
  const options = { ...optionsOf(of, 'shop'), rolledOutPolicy: 'shop', onEvent }
  const token = await joinToken(of, shop, 'verifier')
  const { tokens } = await issue(of.authority, { audience: shop })
  {
    await using first = await openQuantumIp({ ...options, joinToken: token })
    assert.equal(await statusOf(first, tokens[0] as string), 200, 'verified callers, until there is a policy')
    await rollOut(of, policyText(1, 'reject'))
    await until(async () => (await statusOf(first, tokens[0] as string)) === 403)
    await until(async () => (await heldVersion(of)) === 1)
    await rollOut(of, policyText(2, 'allow'))
    await until(async () => (await statusOf(first, tokens[0] as string)) === 200)
    await rollOut(
      of,
      policyText(
        3,
        'allow',
        '  rules: [{ name: q, when: "true", action: quarantine, quarantine: { upstream: jail } }]\n',
      ),
    )
    await until(() => events.some((text) => text.includes('refused')))
    assert.equal(await statusOf(first, tokens[0] as string), 200, 'the one before stays')
    assert.match(formatMetrics(first.metrics), /quantum_ip_policy_version\{[^}]*policy="shop"[^}]*\} 2/)
    await until(async () => (await of.authority.fleet.read())[0]?.policies?.[0]?.refused !== undefined)
  }
  assert.deepEqual(events.slice(0, 2), ['policy shop version 1', 'policy shop version 2'])
  assert.match(events[2] ?? '', /policy shop refused, the one before stays: .*quarantine upstream `jail`/)
  await of.stop()
  await using second = await openQuantumIp(options)
  assert.equal(await statusOf(second, tokens[0] as string), 200)
  assert.equal(events.filter((text) => text === 'policy shop version 2').length, 2)
})

test('keeps decisions on disk and at the authority, and what waited goes there with the next start', async () => {
  await using of = await running()
  const options = optionsOf(of, 'shop')
  const token = await joinToken(of, shop, 'verifier')
  {
    await using first = await openQuantumIp({ ...options, joinToken: token })
    assert.equal(await statusOf(first, 'qip1.!!'), 401)
    await until(() => first.uploaded().sent > 0)
  }
  const { decisions } = await of.authority.decisions.list({ limit: 10 })
  assert.deepEqual(
    decisions.map((decision) => (decision as { readonly reason: string }).reason),
    ['token_malformed'],
  )
  assert.ok((await readdir(join(options.folder, 'decisions'))).length > 0)
})

test('is a member of the fleet as long as it is open: it acknowledges, verifies probes, and leaves', async () => {
  await using of = await running()
  const options = optionsOf(of, 'shop')
  const token = await joinToken(of, shop, 'verifier')
  {
    await using first = await openQuantumIp({ ...options, region: 'eu', joinToken: token })
    await until(async () => (await of.authority.fleet.read()).length === 1)
    const [member] = await of.authority.fleet.read()
    assert.deepEqual(
      [member?.point, member?.kind, member?.region, member?.probes],
      ['shop-1', 'verifier', 'eu', true],
    )
    assert.ok((first.follower.status().acknowledgedSeq ?? 0) > 0)
    first.refresh()
    const gauges = formatMetrics(first.metrics)
    for (const name of [
      'trust_snapshot_age_seconds',
      'revocation_epoch',
      'deferred_backlog',
      'cache_entries',
    ]) {
      assert.match(gauges, new RegExp(`^quantum_ip_${name}(?:\\{[^}]*\\})? [0-9.]+$`, 'm'), name)
    }
  }
  assert.deepEqual(await of.authority.fleet.read(), [])
})

function openWith(more: object): Promise<unknown> {
  return openQuantumIp({
    service: shop,
    point: 'shop-1',
    authority: { url: 'http://127.0.0.1:1', trustDomain: td, rootThumbprints: [] },
    folder: '/nowhere',
    ...more,
  })
}

test('an option that does not exist is an error that names the nearest one', async () => {
  const unknown = /there is no option `quarantaine`; did you mean `quarantine`/
  await assert.rejects(openWith({ quarantaine: 'mark' }), unknown)
  await assert.rejects(
    openWith({ records: { sizeMaz: 1 } }),
    /`records.sizeMaz`; did you mean `records.sizeMax`/,
  )
  await assert.rejects(openWith({ policy: {}, rolledOutPolicy: 'shop' }), /two answers to one question/)
})
