import { availableParallelism } from 'node:os'
import { systemClock } from '@quantum-ip/base'
import {
  attestationSource,
  headSource,
  type Mirror,
  mirroredAttestationSource,
  mirroredHeadSource,
  referenceSource,
  type SecurityReports,
} from '@quantum-ip/client'
import { parseVkey } from '@quantum-ip/crypto'
import type { Config } from '@quantum-ip/http'
import type { Alertness } from '@quantum-ip/point/member'
import { verifierObserver } from '@quantum-ip/telemetry'
import type { TrustStore } from '@quantum-ip/trust'
import { createVerifier, type ReplayGuard, type Verifier, type WitnessPolicy } from '@quantum-ip/verifier'
import { deepModeOf } from './deep-checks.ts'
import type { GatewayPartOptions } from './gateway-part.ts'
import { threadsOf } from './threads-of.ts'

/** The threads of the pool that checks signatures, unless `UV_THREADPOOL_SIZE` says otherwise. */
const poolThreads = 4

/**
 * How many signatures one of so many gateway threads checks at once: together they leave a core to the threads that relay, and a
 * thread of the pool to files and names.
 */
export function signaturesAtOnce(cores: number, threads: number): number {
  return Math.max(1, Math.floor(Math.min(cores - 1, poolThreads - 1) / threads))
}

/** What the verifier of one thread relies on and reports to. */
export interface VerifierParts {
  readonly trust: TrustStore
  readonly reports: SecurityReports
  readonly replay: ReplayGuard
  /** Asked while the authority is away. */
  readonly mirrors: readonly Mirror[]
}

/** Opens the verifier of one thread of a gateway, as configured. */
export function openVerifier(
  options: GatewayPartOptions & { readonly alertness: Alertness },
  parts: VerifierParts,
): Verifier {
  const { config, session, metrics, onEvent } = options
  const { trust, reports, mirrors } = parts
  const witnesses = witnessPolicy(config)
  const observer = verifierObserver(
    { metrics, point: config.gateway.name },
    (event) => {
      onEvent(`verifier: ${event.kind}`)
      reports.event(event)
    },
    (td, key) => reports.unknownKey(td, key),
  )
  return createVerifier({
    trust,
    clock: systemClock,
    stopwatch: () => performance.now(),
    observer,
    replay: parts.replay,
    heads: {
      source: mirroredHeadSource(headSource(session), { mirrors, trust }),
      unanchored: config.heads.unanchored,
      listedWithinMs: config.heads.listedWithinMs,
      reportedAfterMs: config.heads.reportedAfterMs,
      fetchesPerS: config.heads.fetchesPerSecond,
      batchTokensMax: config.issuance.batchMax,
    },
    attestations: {
      source: mirroredAttestationSource(attestationSource(session), { mirrors, trust, witnesses }),
      deep: deepModeOf(config, ''),
      leastShare: () => options.alertness.share,
      freshMs: config.attestations.freshForMs,
      cacheMax: config.attestations.cacheMax,
      witnesses,
      slsaLevels: new Map(
        config.admission.builders.map(({ id, slsaLevel }) => [id, slsaLevel as 0 | 1 | 2 | 3]),
      ),
    },
    references: { source: referenceSource(session) },
    staleAfterMs: config.trust.staleAfterMs,
    clockToleranceS: Math.floor(config.trust.clockToleranceMs / 1_000),
    cacheMax: config.verifier.cacheMax,
    pendingMax: config.verifier.pendingMax,
    signatures: {
      atOnce: signaturesAtOnce(availableParallelism(), threadsOf(config)),
      waitingMax: config.verifier.signaturesMax,
      waitMsMax: config.verifier.signatureWaitMs,
    },
  })
}

function witnessPolicy({ trust }: Config): WitnessPolicy {
  const { vkeys, quorum } = trust.witnesses
  return { keys: vkeys.map((vkey) => parseVkey(vkey)), quorum }
}
