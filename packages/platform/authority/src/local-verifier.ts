import {
  allocateReplayMemory,
  createVerifier,
  ReplayFilter,
  silentObserver,
  type Verifier,
  type VerifierObserver,
} from '@quantum-ip/verifier'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import type { Authority } from './authority.ts'
import type { Publication } from './state/publisher.ts'
import { findStaple } from './state/staples.ts'

/** Verification as a service: an engine of the authority's own, behind `/v1/verify`. */
export interface LocalVerifier {
  readonly verifier: Verifier
  /** Whether it goes by the keys that the authority published last: what it refuses is no proof where it does not. */
  isCurrent(): boolean
  close(): void
}

const replayBytes = 16 * 1_048_576

/**
 * Opens a verifier over the authority's own publications. They go through the same checks as at any other verifier: a
 * state that this one refuses, all would.
 */
export async function openLocalVerifier(
  authority: Authority,
  observer: VerifierObserver = silentObserver,
): Promise<LocalVerifier> {
  const { clock, publisher, registry } = authority
  const trust = new TrustStore({ td: authority.trustDomain, pins: pinsOf(authority.root) })
  await trust.applyRoot({ envelope: authority.rootText, timeMs: clock.now() })
  const follow = async ({ bundle, state, revocations }: Publication): Promise<void> => {
    if (bundle !== undefined && authority.root.sequence !== trust.root?.sequence) {
      await trust.applyRoot({ envelope: authority.rootText, bundle, timeMs: clock.now() })
    } else if (bundle !== undefined) await trust.applyBundle({ envelope: bundle, timeMs: clock.now() })
    await trust.applyState({ envelope: state, revocations, timeMs: clock.now() })
  }
  const replay = new ReplayFilter(allocateReplayMemory({ bytes: replayBytes, startedMs: clock.now() }))
  const verifier = createVerifier({
    trust,
    clock,
    observer,
    stopwatch: () => performance.now(),
    replay,
    heads: {
      source: { fetchHead: ({ keyId, start, end }) => findStaple(authority, { keyId, start, end }) },
    },
    attestations: {
      deep: 'always',
      slsaLevels: new Map(registry.builders().map(({ id, slsaLevel }) => [id, slsaLevel])),
      source: {
        async fetchAttestation({ origin, index }) {
          const found = await registry.find(Number(origin.slice(origin.lastIndexOf('/') + 1)), index)
          return found && { evidence: found.evidence, source: 'local' }
        },
      },
    },
    references: { source: { resolveReference: (text) => authority.references.resolve(text) } },
  })
  await follow({
    ...publisher.current,
    bundle: publisher.bundleText,
    revocations: authority.revocations.list(),
  })
  const unsubscribe = publisher.subscribe((publication) => {
    // Refused publications leave the trust as it was; it goes stale, and readiness says so.
    void follow(publication).catch(() => undefined)
  })
  return {
    verifier,
    isCurrent: () =>
      trust.root?.sequence === authority.root.sequence &&
      trust.bundle?.sequence === publisher.bundle.sequence,
    close() {
      unsubscribe()
      verifier.close()
    },
  }
}
