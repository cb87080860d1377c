import { systemClock } from '@quantum-ip/base'
import type { TrustFollower } from '@quantum-ip/client'
import type { Metrics } from '@quantum-ip/telemetry'
import type { TrustStore } from '@quantum-ip/trust'
import type { Verifier } from '@quantum-ip/verifier'

/** What {@link verifierGauges} reads. */
export interface GaugedParts {
  readonly verifier: Pick<Verifier, 'stats'>
  readonly follower: Pick<TrustFollower, 'status'>
  readonly store: TrustStore
}

/** Sets the gauges of what a verifier holds, each time it is called; what is only counted in there is added as it grew. */
export function verifierGauges(metrics: Metrics, { verifier, follower, store }: GaugedParts): () => void {
  const caches = metrics.gauge('cache_entries')
  const hits = metrics.counter('cache_hits_total')
  const place = caches.places(0)
  let headHitsTold = 0
  return () => {
    const { ageMs, epoch, clockOffsetMs } = follower.status()
    const { cacheEntries, attestations, attestationsFresh, headHits } = verifier.stats()
    if (Number.isFinite(ageMs)) metrics.gauge('trust_snapshot_age_seconds').set(0, ageMs / 1_000)
    if (clockOffsetMs !== undefined) metrics.gauge('clock_offset_seconds').set(0, clockOffsetMs / 1_000)
    metrics.gauge('revocation_epoch').set(0, epoch)
    caches.set(place('token'), cacheEntries)
    caches.set(place('head'), store.headCount)
    caches.set(place('attestation'), attestations)
    if (attestations > 0) metrics.gauge('attestations_fresh_ratio').set(0, attestationsFresh / attestations)
    hits.add(place('head'), headHits - headHitsTold)
    headHitsTold = headHits
  }
}

/** Measures how long revocations take to get here. Those of the history, which were there before, are no measure. */
export function watchPropagation(metrics: Metrics, store: TrustStore): () => void {
  const histogram = metrics.histogram('revocation_propagation_seconds')
  return store.subscribe({
    onEpoch() {
      if (store.state !== undefined)
        histogram.observe(0, Math.max(0, systemClock.now() - store.state.timeMs) / 1_000)
    },
  })
}
