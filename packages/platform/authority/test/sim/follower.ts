import assert from 'node:assert/strict'
import { equalBytes, isQipError } from '@quantum-ip/base'
import { chainHead, type HeadRecord, parseState, pinsOf, TrustStore } from '@quantum-ip/trust'
import { parseEnvelope } from '@quantum-ip/crypto'
import type { Authority } from '../../src/authority.ts'
import { type History, readHistory } from '../../src/state/history.ts'
import type { Publication } from '../../src/state/publisher.ts'

const historyMs = 3_600_000

/**
 * A verifier that follows an authority over all its lives, and takes nothing that a verifier would refuse: whatever goes backwards,
 * forks or does not chain is an error.
 */
export class SimulatedFollower {
  readonly #now: () => number
  #trust: TrustStore | undefined
  #seen: (Publication & { readonly era: number })[] = []
  /** How often the store has gone back: heads chain within an era, and what an era lost its successor does not know. */
  era = 0
  #appliedEra = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get trust(): TrustStore {
    assert.ok(this.#trust)
    return this.#trust
  }

  /** Listens to a process from now on; what it published before is asked for. */
  attach(authority: Authority): void {
    const { era } = this
    this.#seen.push({ ...authority.publisher.current, bundle: authority.publisher.bundleText, era })
    authority.publisher.subscribe((publication) => this.#seen.push({ ...publication, era }))
  }

  /** Applies what was published, with what `authority` remembers of the states that were missed. */
  async apply(authority: Authority): Promise<void> {
    if (this.#trust === undefined) {
      this.#trust = new TrustStore({ td: authority.trustDomain, pins: pinsOf(authority.root) })
      await this.#trust.applyRoot({ envelope: authority.rootText, timeMs: this.#now() })
    }
    for (const publication of this.#seen.splice(0)) await this.#step(authority, publication)
  }

  async #step(
    authority: Authority,
    { bundle, state, era }: Publication & { readonly era: number },
  ): Promise<void> {
    const timeMs = this.#now()
    if (bundle !== undefined) await this.trust.applyBundle({ envelope: bundle, timeMs })
    const revocations = authority.revocations.list()
    try {
      await this.trust.applyState({ envelope: state, revocations, timeMs, headGap: 'refuse' })
    } catch (error) {
      if (!isQipError(error, 'QIP_TRUST_HEADS_MISSING')) throw error
      // A process died after it had kept a state, and before anybody saw it.
      const heads = await this.#missed(authority, state)
      // The history reaches back an hour; nothing that was listed before is of use any more.
      const isLate = timeMs - (this.trust.state?.timeMs ?? 0) > historyMs
      const isOtherEra = era !== this.era || era !== this.#appliedEra
      assert.ok(heads ?? (isLate || isOtherEra), 'the heads that states list are no chain')
      await this.trust.applyState({
        envelope: state,
        revocations,
        timeMs,
        ...(heads === undefined ? { headGap: 'accept' } : { heads, headGap: 'refuse' }),
      })
    }
    this.#appliedEra = era
  }

  async #missed(authority: Authority, state: string): Promise<readonly HeadRecord[] | undefined> {
    const held = this.trust.state
    const wanted = parseState(parseEnvelope(state).payload)
    const { heads } = await history(authority)
    if (held === undefined) return undefined
    for (let from = 0; from <= heads.length; from++) {
      for (let until = from; until <= heads.length; until++) {
        const missed = heads.slice(from, until)
        const chain = [...missed, ...wanted.heads].reduce(
          (chain, head) => chainHead(chain, head),
          held.headChain,
        )
        if (equalBytes(chain, wanted.headChain)) return missed
      }
    }
    return undefined
  }
}

function history({ store, publisher, revocations }: Authority): Promise<History> {
  return readHistory({ sql: store.sql, publisher, revocations }, historyMs)
}

/** A verifier that starts now must get to the current state from the history, with every head. */
export async function checkHistory(authority: Authority, timeMs: number): Promise<void> {
  const { base, heads, state, bundle, revocations } = await history(authority)
  const trust = new TrustStore({ td: authority.trustDomain, pins: pinsOf(authority.root) })
  await trust.applyRoot({ envelope: authority.rootText, timeMs })
  await trust.applyBundle({ envelope: bundle, timeMs })
  try {
    await trust.applyState({ envelope: base, revocations, timeMs })
  } catch (error) {
    // The feed key of that time is out of use: a verifier starts with the current state then.
    if (!isQipError(error, 'QIP_TRUST_SIGNATURES_INSUFFICIENT')) throw error
    return
  }
  await trust.applyState({ envelope: state, revocations, heads, timeMs, headGap: 'refuse' })
}
