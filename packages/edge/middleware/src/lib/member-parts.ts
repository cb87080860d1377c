// What a service is as a member of its trust domain, besides the verifier: out of the same parts as a gateway.
import { join } from 'node:path'
import type { SecurityReports, Session, TrustFollower } from '@quantum-ip/client'
import { type DeferredChecks, openDeferredChecks } from '@quantum-ip/point'
import { type Alertness, openDecisionKeeping, RolledOutPolicies } from '@quantum-ip/point/member'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { DecisionLog, decisionLogObserver, type Metrics, verifierObserver } from '@quantum-ip/telemetry'
import { systemClock, systemRandom } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { Verifier } from '@quantum-ip/verifier'
import type { OpenQuantumIpOptions } from '../open-options.ts'
import { checkUsable } from '../quantum-ip.ts'

/** What the parts are made of. */
export interface MemberParts {
  readonly options: OpenQuantumIpOptions
  readonly session: Session
  readonly metrics: Metrics
  readonly alertness: Alertness
}

/** Where decisions are recorded. */
export interface KeptDecisions extends AsyncDisposable {
  readonly log: DecisionLog
  /** Records that the authority has, and records that it refused, since the start. */
  uploaded(): { readonly sent: number; readonly refused: number }
}

const flushMs = 1_000

/** Opens the decision log of a service: on disk and to the authority, or in memory only. */
export async function openDecisions(parts: MemberParts): Promise<KeptDecisions> {
  const { options, session, metrics, alertness } = parts
  const { point, records = {}, decisions: also, sampleRatio = 0.01, onEvent } = options
  const raised = Math.max(sampleRatio, 0.1)
  const rates = { sampleRatio: () => (alertness.incident ? raised : sampleRatio) }
  if (records === false) return inMemory(parts, rates)
  const { sizeMax = 1_073_741_824, perReasonSizeMax = 134_217_728, keepMs = 604_800_000 } = records
  const kept = await openDecisionKeeping({
    session,
    metrics,
    point,
    local: {
      folder: join(options.folder, 'decisions'),
      sizeMax,
      segmentBytesMax: 8_388_608,
      segmentMs: 3_600_000,
      limits: { sizeMax: Math.min(sizeMax, perReasonSizeMax), keepMs },
    },
    rates,
    redaction: records.redaction,
    seal: records.seal,
    also: also && ((record) => also.write(record)),
    onFailed: (reason) => onEvent?.(`decision records were not sent: ${reason}`),
  })
  return {
    log: kept.decisions,
    uploaded: () => kept.uploaded(),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  }
}

function inMemory(
  { options: { point, decisions }, metrics }: MemberParts,
  rates: { readonly sampleRatio: () => number },
): KeptDecisions {
  const log = new DecisionLog({
    point,
    clock: systemClock,
    random: systemRandom,
    sink: decisions ?? { write: () => undefined },
    observer: decisionLogObserver({ metrics, point }),
    ...rates,
  })
  const flushing = setInterval(() => log.flush(), flushMs).unref()
  return {
    log,
    uploaded: () => ({ sent: 0, refused: 0 }),
    async [Symbol.asyncDispose]() {
      clearInterval(flushing)
      log.flush()
    },
  }
}

/** Opens what follows the policy that the authority rolls out. Without one it holds what there is, and follows nothing. */
export async function openPolicies(
  { options, session, metrics }: MemberParts,
  followed: { readonly store: TrustStore; readonly follower: TrustFollower; readonly policy: CompiledPolicy },
): Promise<RolledOutPolicies> {
  const { rolledOutPolicy: name, folder, point, onEvent = () => undefined } = options
  const { store, follower, policy } = followed
  // The strict YAML of configurations, with the servers beside it: loaded only where texts come from elsewhere.
  const { readYaml } = name === undefined ? { readYaml: unread } : await import('@quantum-ip/http')
  return RolledOutPolicies.open({
    session,
    store,
    metrics,
    names: name === undefined ? [] : [name],
    files: new Map(name === undefined ? [[policy.identity.name, policy]] : []),
    read: (text, source) => readYaml(text, { source }),
    file: join(folder, 'policies'),
    point,
    isUsed: () => true,
    check: (taken) => checkUsable(taken, options),
    follower,
    onTaken: ({ active, candidate }) =>
      onEvent(
        `policy ${active.name} version ${active.version}${candidate === undefined ? '' : `, candidate ${candidate.version}`}`,
      ),
    onRefused: (refused) =>
      onEvent(`policy ${refused.name} refused, the one before stays: ${refused.reason}`),
    onFailed: (error) => onEvent(`policies: ${error instanceof Error ? error.message : 'unknown'}`),
  })
}

function unread(): never {
  throw new TypeError('no policy is followed')
}

/** Opens the deep checks that follow the answer: on proof the authority is told, which looks for itself. */
export function openDeferred(
  { options: { point, onEvent }, metrics }: MemberParts,
  { verifier, reports }: { readonly verifier: Verifier; readonly reports: SecurityReports },
): DeferredChecks {
  return openDeferredChecks({
    verifier,
    observer: verifierObserver({ metrics, point }),
    onProven(proof) {
      reports.attestation(proof)
      onEvent?.(`attestation ${proof.log}/${proof.index} of ${proof.subject} does not hold`)
    },
  })
}
