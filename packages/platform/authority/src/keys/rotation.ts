import { parseJson } from '@quantum-ip/base'
import type { SqlRow, SqlStatement } from '../store/sql.ts'

/** The uses whose keys the authority makes and rotates by itself. */
export const rotatedUses = ['qip-token', 'qip-jwt', 'qip-feed', 'qip-log', 'qip-policy'] as const

/** A use whose keys are rotated. */
export type RotatedUse = (typeof rotatedUses)[number]

/**
 * Why a key is changed. `compromised` and `lost` (its log takes nothing more, or its private half is gone) neither wait for
 * anybody nor can they be taken back.
 */
export type RotationCause = 'requested' | 'scheduled' | 'compromised' | 'lost'

/** `waiting`: the new key is published and its gate is not passed · `settling`: it signs, and the one before still counts. */
export type RotationPhase = 'waiting' | 'settling' | 'ended'

/**
 * How a rotation ended: the new key took over for good · it never signed · the one before took over again · another change of the
 * same use came in between.
 */
export type RotationOutcome = 'completed' | 'withdrawn' | 'rolled-back' | 'superseded'

/** The change from one key of a use to the next. */
export interface Rotation {
  readonly number: number
  readonly use: RotatedUse
  /** Whose issuing key it is; empty where the key is everybody's. */
  readonly instance: string
  readonly from: string
  readonly to: string
  readonly cause: RotationCause
  readonly askedBy: string
  readonly phase: RotationPhase
  readonly startedMs: number
  /** The first bundle that lists the new key as members must hold it; unknown until it is signed. */
  readonly gateSequence: number | undefined
  /** When the time limit was over and the rotation was held. */
  readonly heldMs: number | undefined
  readonly activatedMs: number | undefined
  readonly endedMs: number | undefined
  readonly outcome: RotationOutcome | undefined
  /** What it ended or was held for, for people. */
  readonly detail: string | undefined
  /** A token under the new key, for members to verify; of the phase that its ID names. */
  readonly probe: Probe | undefined
}

/** A token that is issued to see whether enforcement points verify what a key signs. */
export interface Probe {
  /** The rotation and its phase. */
  readonly id: string
  readonly token: string
  readonly expiresS: number
}

/** What a rotation begins with. */
export type RotationStart = Pick<
  Rotation,
  'use' | 'instance' | 'from' | 'to' | 'cause' | 'askedBy' | 'startedMs'
>

/** A rotation out of its row. */
export function readRotation(row: SqlRow): Rotation {
  const number = (name: string) => (row[name] ?? undefined) as number | undefined
  return {
    number: row['number'] as number,
    use: row['use'] as RotatedUse,
    instance: row['instance'] as string,
    from: row['from_kid'] as string,
    to: row['to_kid'] as string,
    cause: row['cause'] as RotationCause,
    askedBy: row['asked_by'] as string,
    phase: row['phase'] as RotationPhase,
    startedMs: row['started_ms'] as number,
    gateSequence: number('gate_sequence'),
    heldMs: number('held_ms'),
    activatedMs: number('activated_ms'),
    endedMs: number('ended_ms'),
    outcome: (row['outcome'] ?? undefined) as RotationOutcome | undefined,
    detail: (row['detail'] ?? undefined) as string | undefined,
    probe: row['probe'] === null ? undefined : (parseJson(row['probe'] as string) as unknown as Probe),
  }
}

/** Keeps a rotation that waits. A conflict says that another one of the same use waits already. */
export function startStatement(start: RotationStart): SqlStatement {
  return { ...insert(start, { phase: 'waiting' }), expect: 1, what: 'a rotation of that use' }
}

/** Keeps a rotation that is over with the transaction that makes it: nobody was asked. */
export function doneStatement(start: RotationStart, detail: string): SqlStatement {
  return insert(start, { phase: 'ended', detail })
}

function insert(
  { use, instance, from, to, cause, askedBy, startedMs }: RotationStart,
  { phase, detail }: { readonly phase: RotationPhase; readonly detail?: string },
): SqlStatement {
  const over = phase === 'ended'
  return {
    sql: `INSERT INTO rotations (number, use, instance, from_kid, to_kid, cause, asked_by, phase, started_ms, activated_ms,
                                 ended_ms, outcome, detail)
          SELECT COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM rotations WHERE true
          ON CONFLICT DO NOTHING`,
    params: [
      use,
      instance,
      from,
      to,
      cause,
      askedBy,
      phase,
      startedMs,
      over ? startedMs : null,
      over ? startedMs : null,
      over ? 'completed' : null,
      detail ?? null,
    ],
  }
}

/** The bundle that members must hold. */
export function gateStatement(number: number, sequence: number): SqlStatement {
  return {
    sql: "UPDATE rotations SET gate_sequence = ? WHERE number = ? AND phase = 'waiting' AND gate_sequence IS NULL",
    params: [sequence, number],
  }
}

/** Keeps the probe that members are to verify, whichever process they talk to. */
export function probeStatement(
  { number, phase }: Pick<Rotation, 'number' | 'phase'>,
  probe: Probe,
): SqlStatement {
  return {
    sql: 'UPDATE rotations SET probe = ? WHERE number = ? AND phase = ?',
    params: [JSON.stringify(probe), number, phase],
  }
}

/** The time limit is over, and the rotation goes on waiting. */
export function holdStatement(
  number: number,
  at: { readonly ms: number; readonly detail: string },
): SqlStatement {
  return {
    sql: "UPDATE rotations SET held_ms = ?, detail = ? WHERE number = ? AND phase = 'waiting' AND held_ms IS NULL",
    params: [at.ms, at.detail, number],
    expect: 1,
    what: 'the rotation',
  }
}

/** The new key signs from now on: belongs in the transaction that says so of the keys. */
export function settleStatement(
  number: number,
  at: { readonly ms: number; readonly detail: string },
): SqlStatement {
  return {
    sql: "UPDATE rotations SET phase = 'settling', activated_ms = ?, detail = ? WHERE number = ? AND phase = 'waiting'",
    params: [at.ms, at.detail, number],
    expect: 1,
    what: 'the rotation',
  }
}

/** How and why a rotation ends. */
export interface RotationEnd {
  readonly outcome: RotationOutcome
  readonly ms: number
  readonly detail?: string | undefined
}

/** Ends one rotation, which must be in `phase`. */
export function endStatement(
  { number, phase }: Pick<Rotation, 'number' | 'phase'>,
  { outcome, ms, detail }: RotationEnd,
): SqlStatement {
  return {
    sql: `UPDATE rotations SET phase = 'ended', outcome = ?, ended_ms = ?, detail = COALESCE(?, detail)
          WHERE number = ? AND phase = ?`,
    params: [outcome, ms, detail ?? null, number, phase],
    expect: 1,
    what: 'the rotation',
  }
}

/** Ends whatever rotation of a use is under way in `phase`; there may be none. */
export function endAllStatement(
  of: { readonly use: string; readonly instance: string; readonly phase: RotationPhase },
  { outcome, ms, detail }: RotationEnd,
): SqlStatement {
  return {
    sql: `UPDATE rotations SET phase = 'ended', outcome = ?, ended_ms = ?, detail = COALESCE(?, detail)
          WHERE use = ? AND instance = ? AND phase = ?`,
    params: [outcome, ms, detail ?? null, of.use, of.instance, of.phase],
  }
}

/**
 * Ends the rotations of a key that goes out of use for ever: one to it is withdrawn, and one from it complete, for there is no way
 * back any more.
 */
export function leaveStatements(
  kid: string,
  { ms, detail }: { readonly ms: number; readonly detail?: string },
): readonly SqlStatement[] {
  return [
    {
      sql: `UPDATE rotations SET phase = 'ended', outcome = 'withdrawn', ended_ms = ?, detail = COALESCE(?, detail)
            WHERE to_kid = ? AND phase = 'waiting'`,
      params: [ms, detail ?? null, kid],
    },
    {
      sql: `UPDATE rotations SET phase = 'ended', outcome = 'completed', ended_ms = ?, detail = COALESCE(?, detail)
            WHERE from_kid = ? AND phase = 'settling'`,
      params: [ms, detail ?? null, kid],
    },
  ]
}
