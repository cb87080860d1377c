import { setTimeout as sleep } from 'node:timers/promises'
import type { AnswerReader, Requester } from '@quantum-ip/client'
import { fetchFleet } from './fleet.ts'

/** How far a revocation has come. */
export interface Propagation {
  readonly members: number
  readonly current: number
  /** Enforcement points that had not said so in time. */
  readonly behind: readonly string[]
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
    }
    progress(propagation)
    if (behind.length === 0 || performance.now() + pollMs > untilMs) return propagation
    await sleep(pollMs)
  }
}

function holds(member: AnswerReader, epoch: number): boolean {
  return member.has('epoch') && member.integer('epoch') >= epoch
}
