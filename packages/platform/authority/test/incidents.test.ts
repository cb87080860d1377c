import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type JsonObject, systemRandom } from '@quantum-ip/base'
import { createCredential } from '@quantum-ip/http'
import { newPolicy } from '@quantum-ip/policy'
import { authorityMetrics, formatMetrics, Metrics } from '@quantum-ip/telemetry'
import { type Authority, type AuthorityServer, openAuthorityMeter, serveAuthority } from '../src/index.ts'
import { ByItself } from '../src/operations/by-itself.ts'
import { Incidents } from '../src/operations/incidents.ts'
import { Windows } from '../src/operations/windows.ts'
import { sqlCredentialStore } from '../src/operators.ts'
import { td, openIn, shop } from './support.ts'

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''
const secrets = new Map<string, string>()
const pay = `${td}/ns/prod/sa/pay`
const services = [
  { id: shop, owner: 'team-shop', tier: 'critical', stage: 'enforced' },
  { id: pay, owner: undefined, tier: 'standard', stage: 'observed' },
]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-incidents-'))
  authority = await openIn(folder)
  served = await serveAuthority({ authority, services, listeners: [{ host: '127.0.0.1', port: 0 }] })
  url = served.bound[0]?.url ?? ''
  for (const role of ['viewer', 'operator'] as const) {
    const { credential } = await createCredential({
      store: sqlCredentialStore(authority.store.sql),
      clock: authority.clock,
      random: systemRandom,
      name: `${role} one`,
      role,
    })
    secrets.set(role, credential)
  }
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

interface Answer {
  readonly status: number
  readonly body: JsonObject
}

async function ask(method: string, target: string, body?: object, role = 'operator'): Promise<Answer> {
  const response = await fetch(url + target, {
    method,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secrets.get(role)}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as JsonObject }
}

async function done(method: string, target: string, body?: object): Promise<JsonObject> {
  const { status, body: answer } = await ask(method, target, body)
  assert.equal(status, 200, JSON.stringify(answer))
  return answer
}

async function gauges(): Promise<readonly string[]> {
  const metrics = new Metrics({ metrics: authorityMetrics, sets: { service: [shop, pay] } })
  openAuthorityMeter(metrics).declared(authority.operations.declared.current, authority.clock.now())
  return formatMetrics(metrics)
    .split('\n')
    .filter((line) => /^quantum_ip_(?:incident|window)_open/.test(line) && !line.endsWith(' 0'))
}

const sighting = { kind: 'head_unlogged', log: null, proof: {}, reportedBy: 'test', action: 'none' } as const
const critical = (subject: string) =>
  authority.watch.events.raise({ ...sighting, severity: 'critical', subject, dedupe: subject })
const openIncidents = () => authority.operations.incidents.list({ state: 'open', limit: 10 })
const fleetAlertness = async () => (await done('GET', '/v1/sampling'))['incident']

test('an incident raises the sampling, is counted, and keeps its timeline until it is closed', async () => {
  assert.equal(await fleetAlertness(), false)
  assert.deepEqual(await gauges(), [])
  const opened = await done('POST', '/v1/incidents', {
    title: 'shop rejects too much',
    severity: 'major',
    services: [shop],
    regions: ['eu-1'],
    rootCause: 'strip:lb-7',
  })
  assert.deepEqual(
    [opened['number'], opened['state'], opened['openedBy'], opened['rootCause']],
    [1, 'open', 'operator one', 'strip:lb-7'],
  )
  assert.equal(await fleetAlertness(), true)
  assert.deepEqual(await gauges(), ['quantum_ip_incident_open{severity="major"} 1'])
  await done('POST', '/v1/incidents/1/notes', {
    note: 'it is all of them',
    severity: 'critical',
    commander: 'ann',
  })
  assert.deepEqual(await gauges(), ['quantum_ip_incident_open{severity="critical"} 1'])
  const closed = await done('POST', '/v1/incidents/1/close', {
    resolution: 'the load balancer keeps the header',
  })
  assert.deepEqual(
    [closed['state'], closed['closedBy'], closed['commander']],
    ['closed', 'operator one', 'ann'],
  )
  assert.equal(await fleetAlertness(), false)
  const shown = await done('GET', '/v1/incidents/1')
  const timeline = (shown['timeline'] as JsonObject[]).map(({ act, note }) => [act, note])
  assert.deepEqual(timeline, [
    ['opened', ''],
    ['noted', 'it is all of them; severity: critical; commander: ann'],
    ['closed', 'the load balancer keeps the header'],
  ])
  const again = await ask('POST', '/v1/incidents/1/close', { resolution: 'twice' })
  assert.deepEqual([again.status, again.body['code']], [409, 'QIP_AUTHORITY_CONFLICT'])
  const acts = (await authority.acts.list(10)).map(({ operator, act }) => `${operator} ${act}`)
  assert.deepEqual(acts, [
    'operator one incident-close',
    'operator one incident-note',
    'operator one incident-open',
  ])
})

test('a critical security event opens an incident by itself, the next one belongs to it, and what nobody took up goes with them', async () => {
  const [{ event: first }, { event: second }] = [await critical('key-a'), await critical('key-b')]
  await authority.operations.settle()
  await authority.operations.settle()
  const [incident, ...others] = await openIncidents()
  assert.ok(incident)
  assert.deepEqual(others, [])
  assert.deepEqual(
    [incident.openedBy, incident.severity, incident.rootCause],
    ['authority', 'critical', 'head_unlogged'],
  )
  assert.deepEqual(await authority.operations.incidents.eventsOf(incident.number), [
    first.number,
    second.number,
  ])
  assert.equal(
    (await authority.watch.events.raise({ ...sighting, severity: 'warning', subject: 'w', dedupe: 'w' }))
      .isNew,
    true,
  )
  const by = { actor: 'test', note: '' }
  await authority.watch.events.mark(first.number, 'closed', by)
  await authority.operations.settle()
  assert.equal((await openIncidents()).length, 1)
  await authority.watch.events.mark(second.number, 'closed', by)
  await authority.operations.settle()
  assert.deepEqual(await openIncidents(), [])
})

test('what an operator has had to do with stays open when its events are closed', async () => {
  const { event } = await critical('key-c')
  await authority.operations.settle()
  const [incident] = await openIncidents()
  assert.ok(incident)
  await done('POST', `/v1/incidents/${incident.number}/notes`, { note: 'on it' })
  await authority.watch.events.mark(event.number, 'closed', { actor: 'test', note: '' })
  await authority.operations.settle()
  assert.equal((await openIncidents()).length, 1)
  await done('POST', `/v1/incidents/${incident.number}/close`, { resolution: 'rotated' })
})

test('a security event belongs to one incident', async () => {
  const { event } = await authority.watch.events.raise({
    ...sighting,
    severity: 'warning',
    subject: 'x',
    dedupe: 'x',
  })
  const order = { title: 'a', severity: 'minor', events: [event.number] }
  const { number } = await done('POST', '/v1/incidents', order)
  const count = (await authority.operations.incidents.list({ limit: 100 })).length
  const again = await ask('POST', '/v1/incidents', order)
  assert.deepEqual([again.status, again.body['code']], [409, 'QIP_AUTHORITY_ALREADY_BOUND'])
  assert.equal((await authority.operations.incidents.list({ limit: 100 })).length, count)
  await done('POST', `/v1/incidents/${number as number}/close`, { resolution: 'b' })
})

test('a window silences its services from its beginning to its end, and no others', async () => {
  const now = authority.clock.now()
  const order = {
    services: [shop],
    untilMs: now + 3_600_000,
    reason: 'new load balancer',
    owner: 'team-shop',
  }
  const window = await done('POST', '/v1/windows', order)
  assert.deepEqual([window['state'], window['kind']], ['open', 'maintenance'])
  assert.deepEqual(await gauges(), [`quantum_ip_window_open{service="${shop}",window_kind="maintenance"} 1`])
  const ahead = { fromMs: now + 3_600_000, untilMs: now + 7_200_000, reason: 'later' }
  const scheduled = await done('POST', '/v1/windows', ahead)
  assert.deepEqual([scheduled['state'], scheduled['owner']], ['scheduled', 'operator one'])
  assert.equal((await gauges()).length, 1)
  await done('POST', `/v1/windows/${window['number'] as number}/close`, {})
  assert.deepEqual(await gauges(), [])
  const { windows } = await done('GET', '/v1/windows')
  assert.deepEqual(
    (windows as JsonObject[]).map(({ number, state }) => [number, state]),
    [[scheduled['number'], 'scheduled']],
  )
  await done('POST', `/v1/windows/${scheduled['number'] as number}/close`, {})
  const again = await ask('POST', `/v1/windows/${scheduled['number'] as number}/close`, {})
  assert.equal(again.status, 409)
})

test('a window for all services is the one of `other`', async () => {
  const untilMs = authority.clock.now() + 60_000
  const { number } = await done('POST', '/v1/windows', { untilMs, reason: 'move' })
  assert.deepEqual(await gauges(), ['quantum_ip_window_open{service="other",window_kind="maintenance"} 1'])
  await done('POST', `/v1/windows/${number as number}/close`, {})
})

const day = 24 * 3_600_000
const refusedWindows: readonly (readonly [
  why: string,
  order: Record<string, unknown>,
  offsets: Record<string, number>,
])[] = [
  ['is longer than 7 days', {}, { untilMs: 7 * day + 60_000 }],
  ['ends before it begins', {}, { fromMs: 2 * day, untilMs: day }],
  ['is over already', {}, { fromMs: -30_000, untilMs: -1 }],
  ['begins in the past', {}, { fromMs: -day, untilMs: day }],
  ['begins in a year', {}, { fromMs: 365 * day, untilMs: 366 * day }],
  ['is for a service that is not declared', { services: [`${td}/ns/prod/sa/typo`] }, { untilMs: day }],
]
for (const [why, order, offsets] of refusedWindows) {
  test(`refuses a window that ${why}, and says what to do`, async () => {
    const now = authority.clock.now()
    const moments = Object.fromEntries(Object.entries(offsets).map(([name, ms]) => [name, now + ms]))
    const { status, body } = await ask('POST', '/v1/windows', { reason: 'x', ...order, ...moments })
    assert.deepEqual([status, body['code']], [400, 'QIP_AUTHORITY_WINDOW_REFUSED'])
    assert.equal(typeof body['next'], 'string')
    assert.deepEqual(await gauges(), [])
  })
}

test('a rotation has its window by itself, until it has settled', async () => {
  await authority.rotate({ use: 'qip-feed', askedBy: 'ann' })
  await authority.operations.settle()
  const [window] = await authority.operations.windows.list({ limit: 1 })
  assert.deepEqual([window?.kind, window?.openedBy, window?.owner], ['rotation', 'authority', 'ann'])
  assert.deepEqual(await gauges(), ['quantum_ip_window_open{service="other",window_kind="rotation"} 1'])
  const later = { now: () => authority.clock.now() + 6 * 60_000 }
  const { sql } = authority.store
  const incidents = new Incidents(sql, later)
  await new ByItself({ sql, clock: later, incidents, windows: new Windows(sql, later) }).settle()
  await authority.operations.settle()
  const over = await authority.operations.windows.get(window?.number ?? 0)
  assert.equal(over.closedBy, 'authority')
  assert.equal(
    (await authority.operations.windows.list({ limit: 10 })).filter(({ rotation }) => rotation !== null)
      .length,
    1,
  )
})

function decision(id: string, service: string) {
  const record = { service, reason: 'token_stripped', action: 'reject' }
  return { id: `edge-1/${id}`, timeMs: authority.clock.now(), reason: 'token_stripped', record }
}

test('a report has what the authority knows of the time: who did what, events, rotations, revocations, windows, decisions', async () => {
  await authority.decisions.add([...['r1', 'r2'].map((id) => decision(id, shop)), decision('r3', pay)])
  const { number } = await done('POST', '/v1/incidents', {
    title: 'stripped',
    severity: 'major',
    services: [shop],
  })
  await authority.revoke({ kind: 'identity', value: pay, reason: 'odd' })
  const text = newPolicy('shop-edge')
  await authority.policies.publish({ text, comment: 'stricter', by: 'ann', activate: true })
  const report = await done('GET', `/v1/incidents/${number as number}/report`)
  const list = (name: string) => report[name] as JsonObject[]
  assert.deepEqual(list('services'), [services[0]])
  assert.deepEqual(list('decisions'), [
    { service: shop, reason: 'token_stripped', action: 'reject', count: 2, requests: 2 },
  ])
  assert.ok(list('acts').some(({ act }) => act === 'window-open'))
  assert.ok(list('rotations').some(({ use }) => use === 'qip-feed'))
  assert.ok(list('revocations').some(({ value }) => value === pay))
  assert.ok(list('securityEvents').length > 0)
  assert.ok(list('windows').length > 0)
  const changes = list('policies').map(({ policy, action, by, reason }) => [policy, action, by, reason])
  assert.deepEqual(changes, [['shop-edge', 'activate', 'ann', 'stricter']])
  await done('POST', `/v1/incidents/${number as number}/close`, { resolution: 'done' })
})

test('who may only read opens nothing', async () => {
  const order = { title: 'x', severity: 'minor' }
  assert.equal((await ask('POST', '/v1/incidents', order, 'viewer')).status, 403)
  assert.equal((await ask('POST', '/v1/windows', { untilMs: 1, reason: 'x' }, 'viewer')).status, 403)
  assert.equal((await ask('GET', '/v1/incidents', undefined, 'viewer')).status, 200)
  assert.equal((await ask('GET', '/v1/windows', undefined, 'viewer')).status, 200)
  assert.equal((await fetch(`${url}/v1/incidents`)).status, 401)
})

test('several authorities that open at once take different numbers, and link an event once', async () => {
  const { sql } = authority.store
  const { event } = await critical('key-d')
  const several = Array.from({ length: 4 }, () => {
    const [incidents, windows] = [new Incidents(sql, authority.clock), new Windows(sql, authority.clock)]
    return new ByItself({ sql, clock: authority.clock, incidents, windows })
  })
  await Promise.all(several.map((each) => each.settle()))
  const open = await openIncidents()
  assert.equal(open.length, 1)
  assert.deepEqual(await authority.operations.incidents.eventsOf(open[0]?.number ?? 0), [event.number])
  await authority.watch.events.mark(event.number, 'closed', { actor: 'test', note: '' })
  await Promise.all(several.map((each) => each.settle()))
  assert.deepEqual(await openIncidents(), [])
})
