import { createHash } from 'node:crypto'
import { addTracestateHint, headerNames } from '@quantum-ip/token'

/** What is sent to see whether it arrives: one kind of request. */
export interface ProbeKind {
  readonly name: string
  /** As the checks call it. */
  readonly what: string
  /** How bad it is if it does not arrive whole. */
  readonly severity: 'warn' | 'fail'
  /** The field that is looked at; its value is the first of `fields` of that name. */
  readonly field: string
  /** Flat. */
  readonly fields: readonly string[]
  /** Bytes of all fields together. */
  readonly bytes: number
}

/** The tokens that probes carry. */
export interface ProbeTokens {
  readonly service: string
  readonly compact: string
  readonly staple: string | undefined
  /** A token of the size of a JWT with ML-DSA, if the authority issues one of either form. */
  readonly long: string | undefined
  /** Whether long tokens are in use here. */
  readonly longInUse: boolean
}

const padding = 'X-Quantum-IP-Probe'
const paddingMax = 2_000

/** The kinds of probes, the plain one first and then from small to large. */
export function probeKinds(tokens: ProbeTokens): readonly ProbeKind[] {
  const { compact, staple, long, service, longInUse } = tokens
  const plain = [headerNames.token, compact, 'tracestate', addTracestateHint('', service)]
  const kinds: ProbeKind[] = [
    kind({ name: 'token', what: 'a compact token', severity: 'fail', fields: plain }),
  ]
  if (staple !== undefined) {
    const fields = [headerNames.head, staple, ...plain]
    kinds.push(kind({ name: 'head', what: 'a head stapled to a token', severity: 'warn', fields }))
  }
  if (long !== undefined) {
    const severity = longInUse ? 'fail' : 'warn'
    kinds.push(
      kind({
        name: 'long-token',
        what: 'a token with its signature',
        severity,
        fields: [headerNames.token, long],
      }),
    )
  }
  for (const [kib, severity] of [
    [4, 'fail'],
    [8, 'warn'],
    [16, 'warn'],
  ] as const) {
    const fields = [...plain, ...paddingFields(kib * 1_024 - bytesOf(plain))]
    kinds.push(kind({ name: `fields-${kib}k`, what: `a token among ${kib} KiB of fields`, severity, fields }))
  }
  // As long as a field may be. It is no token, and none is wanted: it looks like one to everybody on the way.
  const longest = `qip1.${'A'.repeat(7_995)}`
  const fields = [headerNames.token, longest]
  kinds.push(kind({ name: 'field-8000', what: 'a field of 8,000 characters', severity: 'warn', fields }))
  return kinds
}

function kind(parts: Pick<ProbeKind, 'name' | 'what' | 'severity' | 'fields'>): ProbeKind {
  return { ...parts, field: parts.fields[0] ?? '', bytes: bytesOf(parts.fields) }
}

function paddingFields(bytes: number): readonly string[] {
  const fields: string[] = []
  for (let left = bytes, at = 1; left > 0; at++) {
    const name = `${padding}-${at}`
    const length = Math.max(1, Math.min(paddingMax, left - name.length - 4))
    fields.push(name, 'p'.repeat(length))
    left -= length + name.length + 4
  }
  return fields
}

function bytesOf(fields: readonly string[]): number {
  return fields.reduce((sum, text) => sum + text.length + 2, 0)
}

/** The beginning of SHA-256 of a value, as probe answers show it. */
export function digestOf(value: string): string {
  return createHash('sha256').update(value, 'latin1').digest('hex').slice(0, 16)
}
