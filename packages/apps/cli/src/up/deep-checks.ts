import type { SecurityReports } from '@quantum-ip/client'
import { type DeferredChecks, openDeferredChecks } from '@quantum-ip/point'
import type { Config } from '@quantum-ip/http'
import type { Alertness } from '@quantum-ip/point/member'
import { type ObserverPlace, verifierObserver } from '@quantum-ip/telemetry'
import type { DeepMode, Verifier } from '@quantum-ip/verifier'

/** Which requests for a service get a deep check before they are answered. */
export function deepModeOf({ attestations }: Config, service: string): DeepMode {
  const { deepCheck, sampling } =
    attestations.perService.find((row) => row.service === service) ?? attestations
  return deepCheck === 'sampled' ? { sample: sampling } : deepCheck
}

/** The largest share of deep checks before the answer among the services of this gateway, as it is at the moment. */
export function samplingRatio(config: Config, { share }: Pick<Alertness, 'share'>): number {
  const ratios = [...config.gateway.routes, ...config.gateway.flows].map(({ service }) => {
    const mode = deepModeOf(config, service)
    if (mode === 'always' || mode === 'never') return mode === 'always' ? 1 : 0
    return Math.max(share, mode === 'deferred' ? 0 : mode.sample)
  })
  return Math.max(0, ...ratios)
}

/** What deferred checks work with. */
export interface DeferredPartOptions extends ObserverPlace {
  readonly verifier: Verifier
  readonly reports: SecurityReports
  readonly onEvent: (text: string) => void
}

/** Opens the deep checks that follow the answer: on proof the authority is told, which looks for itself. */
export function openDeferredPart(options: DeferredPartOptions): DeferredChecks {
  const { verifier, reports, onEvent, metrics, point } = options
  return openDeferredChecks({
    verifier,
    observer: verifierObserver({ metrics, point }),
    onProven(proof) {
      const { log, index, subject, decisions, more } = proof
      reports.attestation(proof)
      onEvent(
        `gateway: attestation ${log}/${index} of ${subject} does not hold; ${decisions.length + more} requests had passed`,
      )
    },
  })
}
