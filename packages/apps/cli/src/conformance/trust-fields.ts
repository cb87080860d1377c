import { isQipError, type Json } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import {
  type HeadRecord,
  parseHead,
  parseRevocation,
  parseRootDocument,
  pinsOf,
  type RevocationRecord,
  TrustStore,
} from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import { isObject } from '../lib/json.ts'
import type { Fields } from './fields.ts'

/** The time of a request, which the driver chooses. @returns milliseconds */
export function timeMsOf(fields: Fields): number {
  const value = fields.json('time')
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new CliError('QIP_CLI_FIELD_INVALID', { field: 'time', expected: 'a time in seconds since 1970' })
  }
  // Claims count seconds, states milliseconds. No time in seconds that a token can carry has twelve digits.
  return Math.floor(value < 100_000_000_000 ? value * 1_000 : value)
}

/**
 * The trust that `rootDocument`, `bundle` and, where they are there, `state`, `revocations` and an older `base` state make. The
 * root document is what the driver trusts: its own keys are the pins.
 */
export async function trustOf(fields: Fields, timeMs: number): Promise<TrustStore> {
  const envelope = parseEnvelope(fields.document('rootDocument'))
  const root = parseRootDocument(envelope.payload)
  const trust = new TrustStore({ td: root.td, pins: pinsOf(root), composites: true })
  await trust.applyRoot({ envelope, timeMs })
  await trust.applyBundle({ envelope: parseEnvelope(fields.document('bundle')), timeMs })
  const revocations = revocationsOf(fields)
  if (fields.has('base')) {
    await trust.applyState({ envelope: parseEnvelope(fields.document('base')), timeMs, revocations })
  }
  if (fields.has('state')) {
    const heads = headRecordsOf(fields)
    await trust.applyState({
      envelope: parseEnvelope(fields.document('state')),
      timeMs,
      revocations,
      ...(heads.length > 0 && { heads }),
    })
  }
  return trust
}

function revocationsOf(fields: Fields): readonly RevocationRecord[] {
  return fields.list('revocations').map((record, at) => {
    if (isObject(record)) return parseRevocation(record)
    throw new CliError('QIP_CLI_FIELD_INVALID', {
      field: `revocations[${at}]`,
      expected: 'a revocation record',
    })
  })
}

/** Heads that come as the state lists them, `[origin, start, end, hash, exp]`; those that come signed are text. */
function headRecordsOf(fields: Fields): readonly HeadRecord[] {
  return fields.list('heads').flatMap((head) => (Array.isArray(head) ? [parseHead(head)] : []))
}

/** The `Quantum-IP-Head` values among `heads`. */
export function staplesOf(fields: Fields): readonly string[] {
  return fields.list('heads').filter((head: Json) => typeof head === 'string')
}

/** What `parse` makes of it, or `undefined` where it refuses. */
export function attempt<Value>(parse: () => Value): Value | undefined {
  try {
    return parse()
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}
