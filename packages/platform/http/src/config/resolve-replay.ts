import type { ClientCertificateConfig, ReplayConfig, RetriesConfig } from './config-replay.ts'
import type { Section } from './section.ts'

/** The typed section `replay`. */
export function resolveReplay(at: Section): ReplayConfig {
  const redis = at.optionalSection('redis')
  return {
    scope: redis === undefined || at.text('scope') !== 'single' ? at.word('scope', 'scope') : 'shared',
    bytesMax: at.bytes('memory'),
    retryWindowMs: at.durationMs('retryWindow'),
    redis: redis && {
      urlFile: redis.path('urlFile'),
      cluster: redis.flag('cluster'),
      caFile: redis.optionalPath('caFile'),
      certificateFile: redis.optionalPath('certificateFile'),
      keyFile: redis.optionalPath('keyFile'),
      timeoutMs: redis.durationMs('timeout'),
      onUnavailable: redis.word('onUnavailable', 'onUnavailable'),
      failoverMarginMs: redis.durationMs('failoverMargin'),
    },
  }
}

/** The typed section `gateway.retries`. */
export function resolveRetries(at: Section): RetriesConfig {
  return { proxies: at.texts('proxies'), requestIdField: at.text('requestId').toLowerCase() }
}

/** What `gateway.tls` says about client certificates. */
export function resolveClientCertificate(at: Section | undefined): ClientCertificateConfig | undefined {
  const caFile = at?.optionalPath('clientCaFile')
  if (at === undefined || caFile === undefined) return undefined
  return { caFile, demand: at.word('clientCertificate', 'clientCertificate') }
}
