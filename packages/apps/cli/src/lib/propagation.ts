import { setTimeout as sleep } from 'node:timers/promises'
import type { AnswerReader, Requester } from '@quantum-ip/client'
import { fetchFleet } from './fleet.ts'

/** How far a revocation has come. */
export interface Propagation {
  readonly members: number
  readonly current: number
  /** Enforcement points that had not said so in time. */
  readonly behind: readonly string[]
  /** From the order to its effect at a member, milliseconds: the median member, and the last one. Absent where none has said. */
  readonly reached: { readonly medianMs: number; readonly lastMs: number } | undefined
}

const pollMs = 500

/**
 * Waits until every member of the fleet has acknowledged `epoch`, or for `waitMs`. A member of whom nothing was heard may hold it
 * all the same, and one that does not refuses when its state is too old.
 */
export async function awaitPropagation(
  requester: Requester,
  { epoch, waitMs }: { readonly epoch: number; readonly waitMs: number },
  progress: (propagation: Propagation) => void,
): Promise<Propagation> {
  const untilMs = performance.now() + waitMs
  for (;;) {
    const { members } = await fetchFleet(requester)
    const behind = members.filter((member) => !holds(member, epoch))
    const propagation = {
      members: members.length,
      current: members.length - behind.length,
      behind: behind.map((member) => member.optionalText('point') ?? member.text('sid')),
      reached: reachedIn(members, epoch),
    }
    progress(propagation)
    if (behind.length === 0 || performance.now() + pollMs > untilMs) return propagation
    await sleep(pollMs)
  }
}

function holds(member: AnswerReader, epoch: number): boolean {
  return member.has('epoch') && member.integer('epoch') >= epoch
}

function reachedIn(members: readonly AnswerReader[], epoch: number): Propagation['reached'] {
  const times = members
    .flatMap((member) => (member.has('propagation') ? [member.object('propagation')] : []))
    .filter((propagation) => propagation.integer('epoch') >= epoch)
    .map((propagation) => propagation.integer('ms'))
    .sort((a, b) => a - b)
  const last = times.at(-1)
  return last === undefined
    ? undefined
    : { medianMs: times[Math.floor(times.length / 2)] ?? last, lastMs: last }
}
