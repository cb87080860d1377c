import type { LedgerConfig, MirrorsConfig, PublishConfig, WitnessPolicyConfig } from './config-ledger.ts'
import type { Section } from './section.ts'

/** The typed form of `ledger`. */
export function resolveLedger(at: Section): LedgerConfig {
  const witnesses = at
    .sections('witnesses')
    .map((row) => ({ name: row.text('name'), vkey: row.text('vkey'), url: row.text('url') }))
  const majority = witnesses.length === 0 ? 0 : Math.floor(witnesses.length / 2) + 1
  return {
    publish: at.sections('publish').map(publish),
    intervalMs: at.durationMs('interval'),
    witnesses,
    quorum: at.has('quorum') ? at.integer('quorum') : majority,
  }
}

function publish(at: Section): PublishConfig {
  const s3 = at.optionalSection('s3')
  if (s3 === undefined) return { kind: 'directory', directory: at.path('directory') }
  return {
    kind: 's3',
    endpoint: s3.optionalOrigin('endpoint') ?? '',
    bucket: s3.text('bucket'),
    prefix: s3.optionalText('prefix') ?? '',
    region: s3.text('region'),
    credentialsFile: s3.path('credentialsFile'),
  }
}

/** The typed form of the mirrors in `trust`. */
export function resolveMirrors(trust: Section): MirrorsConfig {
  return {
    urls: trust.texts('mirrors').map((url) => url.replace(/\/$/, '')),
    caFile: trust.optionalPath('mirrorCaFile'),
    tokenFile: trust.optionalPath('mirrorTokenFile'),
  }
}

/** The typed form of `trust.witnesses`. */
export function resolveWitnesses(at: Section): WitnessPolicyConfig {
  return { vkeys: at.texts('vkeys'), quorum: at.integer('quorum') }
}
