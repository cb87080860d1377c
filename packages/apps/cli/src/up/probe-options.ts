import { doctorService, type TrustFollower } from '@quantum-ip/client'
import type { ProbeOptions } from '@quantum-ip/enforce'
import type { Config } from '@quantum-ip/http'
import type { Verifier } from '@quantum-ip/verifier'

/** What this point says about itself to whoever probes it with an operator's ticket. */
export function probeOptions(
  { config, thread }: { readonly config: Config; readonly thread: number },
  { follower, verifier }: { readonly follower: TrustFollower; readonly verifier: Verifier },
): ProbeOptions {
  return {
    service: doctorService(config.trustDomain),
    state() {
      const { mode, seq, epoch, ageMs, clockOffsetMs, staleness } = follower.status()
      return {
        point: config.gateway.name,
        thread,
        region: config.region ?? null,
        mode,
        seq: seq ?? null,
        epoch,
        ageMs: Number.isFinite(ageMs) ? ageMs : null,
        clockOffsetMs: clockOffsetMs ?? null,
        staleness: staleness ?? null,
        ready: verifier.ready(),
        headBytesMax: config.gateway.limits.headerBytesMax,
      }
    },
  }
}
