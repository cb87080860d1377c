import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '@quantum-ip/base'
import {
  admit,
  type IssuedToken,
  openSession,
  openTransport,
  requestJson,
  requestObject,
  requestTokens,
  type Requester,
  type Session,
} from '@quantum-ip/client'
import { headerNames } from '@quantum-ip/token'
import { openDemoUpstream } from '../journey/demo-upstream.ts'
import { DrillNotes, type DrillReporter } from './drill.ts'
import { type KeyThief, stealIssuingKey } from './key-thief.ts'
import { type NodeProcess, startNode } from './node-process.ts'

/** How long the drill waits for what must happen. */
export interface StolenKeyOptions {
  /** `heads.reportedAfter` and `heads.listedWithin` of the configuration; absent: the defaults, 5 s and 60 s. */
  readonly heads?: { readonly reportedAfter: string; readonly listedWithin: string }
  /** Within which the key must be found out. Default 60,000. */
  readonly foundWithinMs?: number
}

/** How the drill went. */
export interface StolenKeyOutcome {
  /** Whether all was as it must be. */
  readonly ok: boolean
  /** Forged requests that were let through before the key was found out. */
  readonly passed: number
  /** From the first forged request to the first one that was refused; `undefined`: none was. */
  readonly foundMs: number | undefined
  /** From then until a good client had a token of another key that passed. */
  readonly recoveredMs: number | undefined
  /** The security event at the authority, with proof, steps and affected decisions. */
  readonly event: JsonObject | undefined
  /** Decisions that the authority lists as affected. */
  readonly affected: number
}

const td = 'spiffe://acme.example'
const shop = `${td}/ns/prod/sa/shop`
const checkout = `${td}/ns/prod/sa/checkout`
/** Between two forged requests. */
const attackMs = 200
/** For what follows a revocation: the next key, the upload of records. */
const settleMs = 20_000

/**
 * The drill *stolen issuing key* (`gameday`): a thief has the key that issues, and signs tokens outside of the log. The gateway lets
 * them through provisionally, as it must with any head that is a moment old. Then: the head is found to be in no log, the key is
 * revoked with proof, its tokens are refused, tokens of the other key hold, and the decisions that the thief got are listed.
 *
 * Runs `qip up` as a process of its own in `folder`, which must be empty or absent.
 */
export async function stolenIssuingKey(
  folder: string,
  report: DrillReporter,
  options: StolenKeyOptions = {},
): Promise<StolenKeyOutcome> {
  const upstream = await openDemoUpstream('shop')
  try {
    await layOut(folder, upstream.url, options)
    await using node = await startNode(folder)
    await using transport = openTransport({ url: node.socket })
    return await new Drill({ node, admin: transport, folder, options }, new DrillNotes(report)).run()
  } finally {
    await upstream.close()
  }
}

async function layOut(folder: string, upstream: string, { heads }: StolenKeyOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const headsLine =
    heads && `heads: { reportedAfter: ${heads.reportedAfter}, listedWithin: ${heads.listedWithin} }\n`
  await writeFile(
    join(folder, 'quantum-ip.yaml'),
    `# Written by the drill: a trust domain of its own, on this machine only.
trustDomain: ${td}
authority: { listen: 127.0.0.1:0, socket: ./authority.sock }
admission:
  rules: [{ service: '${td}/ns/prod/sa/*', builder: '**' }]
services:
  - { id: '${shop}', tier: critical, stage: enforced }
${headsLine ?? ''}gateway:
  listen: 127.0.0.1:0
  threads: 2
  routes: [{ service: '${shop}', upstream: '${upstream}' }]
`,
  )
}

interface DrillParts {
  readonly node: NodeProcess
  readonly admin: Requester
  readonly folder: string
  readonly options: StolenKeyOptions
}

class Drill {
  readonly #parts: DrillParts
  readonly #notes: DrillNotes
  #passed = 0

  constructor(parts: DrillParts, notes: DrillNotes) {
    this.#parts = parts
    this.#notes = notes
  }

  async run(): Promise<StolenKeyOutcome> {
    const { node, folder } = this.#parts
    const notes = this.#notes
    const session = await this.#join()
    const older = await this.#draw(session)
    await this.#rotate()
    const current = await this.#draw(session)
    notes.expect((await this.#send(carried(older))) === 200, 'a token of the key before the rotation passes')
    notes.expect((await this.#send(carried(current))) === 200, 'a token of the key that issues passes')
    const thief = await stealIssuingKey(node.authority, { keys: join(folder, 'keys'), into: folder })
    notes.tell(`the key ${thief.kid} is stolen; it signs outside of the log ${thief.log}`)
    const foundMs = await this.#attack(thief)
    notes.expect(foundMs !== undefined, foundText(foundMs, this.#passed))
    const recoveredMs = await this.#recover(session)
    notes.expect(recoveredMs !== undefined, `a token of the next key passes after ${recoveredMs ?? '–'} ms`)
    // The threads of the gateway learn of it one after the other.
    const isRefused = await until(settleMs, async () => (await this.#send(carried(current))) === 401)
    notes.expect(isRefused, 'good tokens of the stolen key are refused, too')
    notes.expect((await this.#send(carried(older))) === 200, 'a token of the other key still passes')
    const event = await this.#awaitEvent()
    const affected = countOf(event)
    notes.expect(event !== undefined, `the authority has the event, with the signed head as proof`)
    notes.expect(
      affected === this.#passed,
      `${affected} of ${this.#passed} decisions that the thief got are listed`,
    )
    return { ok: notes.ok, passed: this.#passed, foundMs, recoveredMs, event, affected }
  }

  async #join(): Promise<Session> {
    const { node, admin } = this.#parts
    const made = await requestObject(admin, {
      operation: 'a join token',
      method: 'POST',
      target: '/v1/join-tokens',
      json: { sid: checkout, role: 'workload', ttl: 60 },
    })
    const transport = openTransport({ url: node.authority })
    const evidence = { token: made.text('token') }
    return openSession({ transport, admission: await admit(transport, { method: 'join-token', evidence }) })
  }

  async #draw(session: Session): Promise<IssuedToken> {
    const [issued] = await requestTokens(session, { audience: shop })
    if (issued === undefined) throw new TypeError('no token')
    return issued
  }

  /** Goes over to the next issuing key, so that good tokens of two keys are about. */
  async #rotate(): Promise<void> {
    const { node, admin } = this.#parts
    const before = await activeKid(node)
    const request = { operation: 'a rotation', method: 'POST', target: '/v1/keys/rotate', json: {} } as const
    await requestJson(admin, request)
    const isDone = await until(settleMs, async () => (await activeKid(node)) !== before)
    this.#notes.expect(isDone, 'the issuing key was rotated: tokens of two keys are about')
  }

  /** Sends a request; again, while the gateway has too much to do to judge it. */
  async #send(fields: Readonly<Record<string, string>>): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${this.#parts.node.gateway}/orders`, { headers: fields })
      await response.arrayBuffer()
      if (response.status !== 503 || attempt >= 50) return response.status
      await sleep(100)
    }
  }

  /** Sends forged tokens until one is refused. Returns how long that took. */
  async #attack(thief: KeyThief): Promise<number | undefined> {
    const { foundWithinMs = 60_000 } = this.#parts.options
    const startedMs = performance.now()
    while (performance.now() - startedMs < foundWithinMs) {
      const status = await this.#send(await thief.forge({ sub: checkout, aud: shop }))
      if (status !== 200) return Math.round(performance.now() - startedMs)
      this.#passed++
      await sleep(attackMs)
    }
    return undefined
  }

  async #recover(session: Session): Promise<number | undefined> {
    const startedMs = performance.now()
    const isWell = await until(settleMs, async () => {
      const issued = await this.#draw(session).catch(() => undefined)
      return issued !== undefined && (await this.#send(carried(issued))) === 200
    })
    return isWell ? Math.round(performance.now() - startedMs) : undefined
  }

  /** The event with all the decisions that the thief got, once they are there. */
  async #awaitEvent(): Promise<JsonObject | undefined> {
    let event: JsonObject | undefined
    await until(settleMs, async () => {
      event = await this.#fetchEvent()
      return event !== undefined && countOf(event) >= this.#passed
    })
    return event
  }

  async #fetchEvent(): Promise<JsonObject | undefined> {
    const { admin } = this.#parts
    const operation = 'the security events'
    const get = async (target: string) => requestObject(admin, { operation, method: 'GET', target })
    const [first] = (await get('/v1/events?kind=head_unlogged')).objects('events', 1_000)
    if (first === undefined) return undefined
    const target = `/v1/events/${first.integer('number')}`
    return (await requestJson(admin, { operation, method: 'GET', target })) as JsonObject
  }
}

function carried({ token, staple }: IssuedToken): Readonly<Record<string, string>> {
  return { [headerNames.token]: token, ...(staple !== undefined && { [headerNames.head]: staple }) }
}

function foundText(foundMs: number | undefined, passed: number): string {
  if (foundMs === undefined) return `the stolen key was not found out; ${passed} forged requests passed`
  return `found out after ${foundMs} ms; ${passed} forged requests had passed`
}

function countOf(event: JsonObject | undefined): number {
  const affected = event?.['affected']
  return Array.isArray(affected) ? affected.length : 0
}

async function activeKid({ socket }: NodeProcess): Promise<string> {
  await using transport = openTransport({ url: socket })
  const keys = await requestObject(transport, { operation: 'the keys', method: 'GET', target: '/v1/keys' })
  const active = keys
    .objects('keys', 10_000)
    .find((key) => key.text('use') === 'qip-token' && key.text('state') === 'active')
  return active?.text('kid') ?? ''
}

async function until(ms: number, holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ms
  for (;;) {
    if (await holds()) return true
    if (performance.now() >= deadline) return false
    await sleep(250)
  }
}
