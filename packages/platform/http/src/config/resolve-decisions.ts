import { type RedactableField, redactableFields } from '@quantum-ip/telemetry'
import type { DecisionsConfig, ReasonConfig } from './config-decisions.ts'
import type { Section } from './section.ts'

const sealedDefault: readonly RedactableField[] = ['host', 'path', 'mtls', 'jwt']

/** The decision log, typed. */
export function resolveDecisions(at: Section): DecisionsConfig {
  const general = {
    perSecond: at.integer('perReasonPerSecond'),
    sizeMax: at.bytes('perReasonSizeMax'),
    keepLocalMs: at.durationMs('keepLocal'),
  }
  const seal = at.optionalSection('seal')
  return {
    verifiedShare: at.share('verifiedShare'),
    incidentShare: at.share('incidentShare'),
    perReasonPerSecond: general.perSecond,
    keepMs: at.durationMs('keep'),
    folder: at.path('folder'),
    sizeMax: at.bytes('sizeMax'),
    perReasonSizeMax: general.sizeMax,
    segmentBytesMax: at.bytes('segmentSize'),
    segmentMs: at.durationMs('segmentAge'),
    keepLocalMs: general.keepLocalMs,
    perReason: at.sections('perReason').map((row) => reasonOf(row, general)),
    redact: at.sections('redact').map((row) => ({
      field: fieldOf(row.text('field')),
      method: row.word('method', 'redaction'),
    })),
    hashKeyFile: at.optionalPath('hashKeyFile'),
    seal: seal && {
      keyFile: seal.path('keyFile'),
      fields: seal.optionalTexts('fields')?.map((name) => fieldOf(name)) ?? sealedDefault,
    },
  }
}

function reasonOf(row: Section, general: Omit<ReasonConfig, 'reason'>): ReasonConfig {
  return {
    reason: row.text('reason'),
    perSecond: row.has('perSecond') ? row.integer('perSecond') : general.perSecond,
    sizeMax: row.has('sizeMax') ? row.bytes('sizeMax') : general.sizeMax,
    keepLocalMs: row.has('keepLocal') ? row.durationMs('keepLocal') : general.keepLocalMs,
  }
}

function fieldOf(name: string): RedactableField {
  const found = redactableFields.find((field) => field === name)
  if (found === undefined) throw new TypeError(`\`${name}\` is no field of records`)
  return found
}
