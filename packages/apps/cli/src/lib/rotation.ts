import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import { type Cell, type Tone, tone } from './output.ts'
import { plural } from './plural.ts'
import { formatSpan } from './times.ts'

const membersMax = 100_000

/** A member that a rotation waits for, or that has acknowledged. */
export interface RotationMember {
  readonly name: string
  readonly kind: string
  readonly sid: string
  readonly standing: string
  readonly leaseMs: number
  readonly seenMs: number
}

/** A rotation as the authority tells it. */
export interface RotationView {
  readonly json: JsonObject
  readonly number: number
  readonly use: string
  readonly phase: string
  readonly outcome: string | undefined
  readonly detail: string
  readonly startedMs: number
  readonly isHeld: boolean
  readonly acknowledged: number
  readonly needed: number
  readonly members: readonly RotationMember[]
}

/** Reads a rotation out of an answer. */
export function readRotation(json: JsonObject): RotationView {
  const whole = new AnswerReader(json, 'a rotation')
  const rotation = whole.object('rotation')
  const gate = whole.has('gate') ? whole.object('gate') : undefined
  const phase = rotation.text('phase')
  return {
    json,
    number: rotation.integer('number'),
    use: rotation.text('use'),
    phase,
    outcome: rotation.optionalText('outcome'),
    detail: (phase === 'waiting' ? gate?.text('detail') : rotation.optionalText('detail')) ?? '',
    startedMs: rotation.integer('startedMs'),
    isHeld: rotation.has('heldMs'),
    acknowledged: gate?.integer('acknowledged') ?? 0,
    needed: gate?.integer('needed') ?? 0,
    members: (gate?.objects('members', membersMax) ?? []).map((member) => ({
      name: member.text('point'),
      kind: member.text('kind'),
      sid: member.text('sid'),
      standing: member.text('standing'),
      leaseMs: member.integer('leaseMs'),
      seenMs: member.integer('seenMs'),
    })),
  }
}

/** A rotation, by its number. */
export async function fetchRotation(requester: Requester, number: number): Promise<RotationView> {
  const target = `/v1/rotations/${number}`
  return readRotation(
    (await requestJson(requester, { operation: 'a rotation', method: 'GET', target })) as JsonObject,
  )
}

const standings: Readonly<Record<string, readonly [text: string, tone: Tone]>> = {
  acknowledged: ['holds the new key', 'good'],
  behind: ['does not hold the new key yet', 'warn'],
  unproven: ['holds it, and has not verified the probe yet', 'warn'],
  refused: ['refuses what the new key signs', 'bad'],
}

/** How a member stands, in words. */
export function standingText({ standing }: RotationMember): Cell {
  const [text, shade] = standings[standing] ?? [standing, 'dim']
  return tone(shade, text)
}

const shownMax = 30

/** What goes on, as lines that are drawn again and again: member by member, who is waited for first. */
export function rotationLines(view: RotationView, nowMs: number): readonly (readonly Cell[])[] {
  const { number, use, members, acknowledged, needed, isHeld } = view
  const waited = formatSpan(nowMs - view.startedMs)
  const shown = members
    .toSorted((a, b) => Number(a.standing === 'acknowledged') - Number(b.standing === 'acknowledged'))
    .slice(0, shownMax)
  const width = Math.max(0, ...shown.map(({ name }) => name.length))
  return [
    [
      tone('strong', `rotation ${number} of ${use}`),
      `${acknowledged} of ${plural(members.length, 'member', 'members')}, needs ${needed}`,
      tone('dim', waited),
      ...(isHeld ? [tone('warn', 'held: the time limit is over')] : []),
    ],
    ...shown.map((member) => memberLine(member, { width, nowMs })),
    ...(members.length > shownMax ? [[tone('dim', `   and ${members.length - shownMax} more`)]] : []),
    [tone('dim', `  to take it back: qip keys rollback --use ${use}   (ctrl-c only ends this view)`)],
  ]
}

function memberLine(
  member: RotationMember,
  { width, nowMs }: { readonly width: number; readonly nowMs: number },
): readonly Cell[] {
  const words = ['  ', member.name.padEnd(width), tone('dim', member.kind.padEnd(8)), standingText(member)]
  if (member.standing === 'acknowledged') return words
  const [heard, left] = [nowMs - member.seenMs, member.leaseMs - nowMs]
  return [...words, tone('dim', `heard ${formatSpan(heard)} ago, leaves in ${formatSpan(left)}`)]
}
