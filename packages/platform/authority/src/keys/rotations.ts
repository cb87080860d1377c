import type { Clock } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import type { Fleet, FleetMember } from '../fleet.ts'
import type { Sql } from '../store/sql.ts'
import type { HeldKey, KeyRing } from './key-ring.ts'
import type { KeyLifecycle } from './lifecycle.ts'
import {
  endAllStatement,
  endStatement,
  gateStatement,
  holdStatement,
  type Probe,
  probeStatement,
  readRotation,
  type RotatedUse,
  type Rotation,
  type RotationCause,
  type RotationEnd,
  settleStatement,
  startStatement,
} from './rotation.ts'
import {
  decideGate,
  type Gate,
  type GatePolicy,
  isConclusive,
  isUnproven,
  probeIdOf,
} from './rotation-gate.ts'

/** What rotations work on. */
export interface RotationsOptions {
  readonly sql: Sql
  readonly keys: KeyRing
  readonly lifecycle: KeyLifecycle
  readonly fleet: Pick<Fleet, 'read'>
  readonly clock: Clock
  readonly policy: GatePolicy
  /** Issues a probe token under the new key of a rotation; `undefined` if its log takes nothing. */
  readonly issueProbe: (rotation: Rotation) => Promise<Probe | undefined>
  /** Publishes the keys as they are. @returns the sequence of the bundle that verifiers can see now */
  readonly publishKeys: () => Promise<number>
  /** Goes over to the keys that are active now: opens the log, signs with them, publishes them. */
  readonly follow: () => Promise<unknown>
  /** Whose rotations it takes the steps of. Default: those of all uses. */
  readonly uses?: readonly RotatedUse[]
  /** Told of what an operator must hear of. */
  readonly onEvent: (event: string, detail: Readonly<Record<string, string | number>>) => void
}

/** Who wants a key changed, and why. */
export interface RotationOrder {
  readonly use: RotatedUse
  readonly cause: Extract<RotationCause, 'requested' | 'scheduled'>
  readonly askedBy: string
}

/** Who wants a rotation taken back, and why. */
export interface RollbackOrder {
  readonly use: RotatedUse
  readonly reason: string
}

/** A rotation, and how the fleet stands to it. */
export interface RotationReport {
  readonly rotation: Rotation
  /** Absent once it has ended. */
  readonly gate: Gate | undefined
}

/**
 * The changes of keys, from their order to their end. All that they are is in the store: any process may take the next step, and
 * each step is one transaction that expects the phase before it, so that a crash leaves a rotation before a step or after it.
 *
 * INVARIANT: of each use exactly one key is active, whatever happens.
 */
export class Rotations {
  readonly #options: RotationsOptions
  /** Those that were under way when they were last looked at; unknown at first. */
  #seen: readonly Rotation[] | undefined

  constructor(options: RotationsOptions) {
    this.#options = options
  }

  /** Whether one may be waiting for members. */
  get mayWait(): boolean {
    return this.#seen === undefined || this.#seen.some(({ phase }) => phase === 'waiting')
  }

  /** The probe that a member is to verify now, if it has not said how that went. */
  probeFor({ probes, bundleSequence, probe }: FleetMember): Probe | undefined {
    if (!probes) return undefined
    const due = (this.#seen ?? []).filter(
      (rotation) =>
        rotation.gateSequence !== undefined &&
        bundleSequence >= rotation.gateSequence &&
        rotation.probe?.id === probeIdOf(rotation),
    )
    return due.find(({ probe: offered }) => offered?.id !== probe?.id || !isConclusive(probe?.reason))?.probe
  }

  /**
   * Begins a rotation: publishes the standby anew, so that whoever acknowledges that bundle is there and follows. If one of the use
   * waits already, it is that one. One that still settles is complete.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
   */
  async start({ use, cause, askedBy }: RotationOrder): Promise<Rotation> {
    const { lifecycle, sql, clock } = this.#options
    const waiting = (await this.#open()).find((each) => each.use === use && each.phase === 'waiting')
    if (waiting !== undefined) return waiting
    const active = lifecycle.active(use).record.key.kid
    const standby = (await lifecycle.standby(use)).record.key.kid
    const startedMs = clock.now()
    const instance = this.#instanceOf(use)
    const start = { use, instance, from: active, to: standby, cause, askedBy, startedMs }
    const settled = endAllStatement(
      { use, instance, phase: 'settling' },
      { outcome: 'completed', ms: startedMs },
    )
    await sql.transact([settled, startStatement(start)])
    await this.advance()
    return this.#newest(use)
  }

  /** Takes every step that can be taken. @returns whether one is still under way */
  async advance(): Promise<boolean> {
    const open = await this.#open()
    this.#seen = open
    if (open.length === 0) return false
    await this.#options.keys.refresh()
    try {
      for (const rotation of open) await this.#step(rotation)
    } finally {
      this.#seen = await this.#open().catch(() => undefined)
    }
    return true
  }

  /**
   * Takes the newest rotation of a use back: one that waits is withdrawn; of one that settles, the key before signs again.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ROTATION_REFUSED` if there is none that can be taken back.
   */
  async rollBack({ use, reason }: RollbackOrder): Promise<Rotation> {
    const rotation = (await this.#open()).findLast((each) => each.use === use)
    if (rotation === undefined) {
      throw new AuthorityError('QIP_AUTHORITY_ROTATION_REFUSED', {
        reason: `no rotation of ${use} is under way, or the key before must not sign any more`,
      })
    }
    if (rotation.phase === 'waiting') await this.#withdraw(rotation, reason)
    else if (!(await this.#rollBack(rotation, reason))) {
      throw new AuthorityError('QIP_AUTHORITY_ROTATION_REFUSED', {
        reason: 'the token log of the key before takes nothing more',
      })
    }
    return this.find(rotation.number)
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  async find(number: number): Promise<Rotation> {
    const [row] = await this.#options.sql.query('SELECT * FROM rotations WHERE number = ?', [number])
    if (row === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `rotation ${number}` })
    return readRotation(row)
  }

  /** How a rotation stands: who has acknowledged, and who is waited for. */
  async report(rotation: Rotation): Promise<RotationReport> {
    if (rotation.phase === 'ended') return { rotation, gate: undefined }
    return { rotation, gate: this.#gate(rotation, await this.#options.fleet.read()) }
  }

  /** Which rotations each member holds up, by session and point. */
  async waitedFor(): Promise<ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>> {
    const blocking = new Map<string, Map<string, readonly number[]>>()
    const members = await this.#options.fleet.read()
    for (const rotation of await this.#open()) {
      if (rotation.phase !== 'waiting') continue
      for (const { member, standing } of this.#gate(rotation, members).members) {
        if (standing === 'acknowledged') continue
        const points = blocking.get(member.session) ?? new Map<string, readonly number[]>()
        blocking.set(member.session, points)
        points.set(member.point, [...(points.get(member.point) ?? []), rotation.number])
      }
    }
    return blocking
  }

  /** The newest first. */
  async list(limit: number, use?: RotatedUse): Promise<readonly Rotation[]> {
    const rows = await this.#options.sql.query(
      'SELECT * FROM rotations WHERE (? IS NULL OR use = ?) ORDER BY number DESC LIMIT ?',
      [use ?? null, use ?? null, limit],
    )
    return rows.map((row) => readRotation(row))
  }

  async #open(): Promise<readonly Rotation[]> {
    const rows = await this.#options.sql.query(
      "SELECT * FROM rotations WHERE phase <> 'ended' AND (use <> 'qip-token' OR instance = ?) ORDER BY number",
      [this.#options.keys.instance],
    )
    const { uses } = this.#options
    return rows.map((row) => readRotation(row)).filter(({ use }) => uses === undefined || uses.includes(use))
  }

  /** Issuing keys are an instance's own; all others are everybody's. */
  #instanceOf(use: RotatedUse): string {
    return use === 'qip-token' ? this.#options.keys.instance : ''
  }

  async #newest(use: RotatedUse): Promise<Rotation> {
    return (await this.list(1, use))[0] as Rotation
  }

  #gate(rotation: Rotation, members: readonly FleetMember[]): Gate {
    const { policy, clock } = this.#options
    return decideGate(rotation, members, { policy, nowMs: clock.now() })
  }

  async #step(rotation: Rotation): Promise<void> {
    if (!this.#isPossible(rotation)) return this.#supersede(rotation)
    const members = await this.#options.fleet.read()
    // First of all: whoever acknowledges the new bundle is given the probe with the answer.
    if (rotation.phase === 'waiting' && !(await this.#prove(rotation, members))) return
    const published = await this.#publish(rotation)
    const gate = this.#gate(published, members)
    switch (gate.decision) {
      case 'activate':
        return this.#activate(published, gate)
      case 'hold':
        return this.#hold(published, gate)
      case 'withdraw':
        return this.#withdraw(published, gate.detail)
      case 'roll-back':
        return this.#rollBackOrTell(published, gate.detail)
      case 'wait':
        if (rotation.phase === 'settling') await this.#prove(published, members)
    }
  }

  /** A restored store, or a key that was closed outside of it, may leave a rotation whose keys are in other states. */
  #isPossible({ from, to, phase }: Rotation): boolean {
    const { keys } = this.#options
    const states = [keys.get(from)?.record.state, keys.get(to)?.record.state].join(' ')
    return states === (phase === 'waiting' ? 'active published' : 'retiring active')
  }

  async #publish(rotation: Rotation): Promise<Rotation> {
    if (rotation.phase !== 'waiting' || rotation.gateSequence !== undefined) return rotation
    const gateSequence = await this.#options.publishKeys()
    await this.#options.sql.transact([gateStatement(rotation.number, gateSequence)])
    return { ...rotation, gateSequence }
  }

  /**
   * Lets members verify a token under the new key. One that is about to end is replaced, for those who come late.
   *
   * @returns whether the rotation goes on
   */
  async #prove(rotation: Rotation, members: readonly FleetMember[]): Promise<boolean> {
    if (rotation.use !== 'qip-token' || !members.some((member) => isUnproven(rotation, member))) return true
    const { probe } = rotation
    const leftMs = (probe?.expiresS ?? 0) * 1_000 - this.#options.clock.now()
    if (probe?.id === probeIdOf(rotation) && leftMs > probeLeftMs) return true
    const issued = await this.#options.issueProbe(rotation)
    // In a restored store: what was in that log is lost, and it can never go on.
    if (issued === undefined) await this.#withdraw(rotation, 'its token log takes nothing')
    else await this.#options.sql.transact([probeStatement(rotation, issued)])
    return issued !== undefined
  }

  async #activate({ number, use, from, to }: Rotation, gate: Gate): Promise<void> {
    const { keys, lifecycle, clock, follow, onEvent } = this.#options
    await keys.move(
      [
        { kid: from, to: 'retiring' },
        { kid: to, to: 'active' },
      ],
      [settleStatement(number, { ms: clock.now(), detail: gate.detail })],
    )
    onEvent('rotation_activated', { rotation: number, use, members: gate.members.length })
    await lifecycle.standby(use)
    await follow()
    // Its members are asked to verify what it signs now, too.
    await this.#step(await this.find(number))
  }

  async #hold({ number, use, heldMs }: Rotation, { detail }: Gate): Promise<void> {
    if (heldMs !== undefined) return
    await this.#options.sql.transact([holdStatement(number, { ms: this.#options.clock.now(), detail })])
    this.#options.onEvent('rotation_held', { rotation: number, use, detail })
  }

  async #withdraw(rotation: Rotation, detail: string): Promise<void> {
    const { keys, lifecycle, follow, onEvent } = this.#options
    const { number, use, to } = rotation
    // The next number first: the highest one keeps its mark.
    await lifecycle.standby(use, to)
    await lifecycle.retire(keys.get(to) as HeldKey, [this.#end(rotation, 'withdrawn', detail)])
    onEvent('rotation_withdrawn', { rotation: number, use, detail })
    await follow()
  }

  /** @returns whether there is a way back: a log that takes nothing more would be replaced at once, by another new key */
  async #rollBack(rotation: Rotation, detail: string): Promise<boolean> {
    const { keys, lifecycle, follow, onEvent } = this.#options
    const before = keys.get(rotation.from)
    if (rotation.use === 'qip-token' && (before === undefined || !(await lifecycle.canIssue(before))))
      return false
    await keys.move(
      [
        { kid: rotation.to, to: 'retiring' },
        { kid: rotation.from, to: 'active' },
      ],
      [this.#end(rotation, 'rolled-back', detail)],
    )
    onEvent('rotation_rolled_back', { rotation: rotation.number, use: rotation.use, detail })
    await follow()
    return true
  }

  async #rollBackOrTell(rotation: Rotation, detail: string): Promise<void> {
    if (await this.#rollBack(rotation, detail)) return
    const { number, use } = rotation
    await this.#options.sql.transact([this.#end(rotation, 'completed', `${detail}; there was no way back`)])
    this.#options.onEvent('rotation_without_way_back', { rotation: number, use, detail })
  }

  async #supersede(rotation: Rotation): Promise<void> {
    await this.#options.sql.transact([this.#end(rotation, 'superseded', 'its keys changed meanwhile')])
  }

  #end(rotation: Rotation, outcome: RotationEnd['outcome'], detail: string) {
    return endStatement(rotation, { outcome, ms: this.#options.clock.now(), detail })
  }
}

/** A probe that ends so soon is replaced. */
const probeLeftMs = 60_000
