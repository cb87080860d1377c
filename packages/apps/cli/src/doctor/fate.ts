import type { JsonObject } from '@quantum-ip/base'
import { digestOf } from './probe-kinds.ts'
import type { ProbeResult } from './send-probe.ts'
import { wordOf } from './word-of.ts'

/** What became of a probe on its way. */
export type FateKind =
  | 'whole'
  | 'stripped'
  | 'renamed'
  | 'truncated'
  | 'changed'
  | 'doubled'
  | 'refused'
  | 'unanswered'
  | 'unreachable'

/** What became of a probe, and how one says that. */
export interface Fate {
  readonly kind: FateKind
  readonly says: string
}

interface SeenField {
  readonly name: string
  readonly length: number
  readonly sha256: string
}

const whole: Fate = { kind: 'whole', says: 'arrived as it was sent' }

/** What became of the field that a probe was sent for. */
export function fateOf(result: ProbeResult): Fate {
  const { answer, kind, status, error } = result
  if (error !== undefined) return { kind: 'unreachable', says: `no answer: ${error}` }
  if (answer === undefined) return unanswered(result, status ?? 0)
  if (kind.field === '') return whole
  return fieldFate(kind.field, kind.fields[kind.fields.indexOf(kind.field) + 1] ?? '', seenFields(answer))
}

// Our own problems have a code. What comes without one, and is an error, was said by somebody else on the way.
function unanswered({ code, reason, challenge, server }: ProbeResult, status: number): Fate {
  const by = server === '' ? '' : ` by \`${server}\``
  if (code === 'fields_too_large') return { kind: 'refused', says: `${status} by a gateway: ${code}` }
  if (code !== undefined) {
    const why = reason === undefined ? code : `${code}, ${reason}`
    return { kind: 'unanswered', says: `${status} by a gateway that takes no ticket: ${why}` }
  }
  if (challenge) return { kind: 'unanswered', says: `${status} by a gateway that takes no ticket` }
  return status >= 400
    ? { kind: 'refused', says: `${status}${by}` }
    : { kind: 'unanswered', says: `${status}${by}, and no gateway answered the probe` }
}

function fieldFate(field: string, sent: string, seen: readonly SeenField[]): Fate {
  const digest = digestOf(sent)
  const same = seen.filter(({ name }) => name.toLowerCase() === field.toLowerCase())
  if (same.length > 1) return { kind: 'doubled', says: `\`${field}\` arrived ${same.length} times` }
  const [one] = same
  if (one !== undefined) {
    if (one.sha256 === digest) return whole
    const [had, has] = [sent.length, one.length]
    return has < had
      ? { kind: 'truncated', says: `\`${field}\` arrived with ${has} of ${had} characters` }
      : { kind: 'changed', says: `\`${field}\` arrived changed, with ${has} characters of ${had}` }
  }
  const moved = seen.find(({ sha256 }) => sha256 === digest) ?? seen.find(({ name }) => isLike(name, field))
  return moved === undefined
    ? { kind: 'stripped', says: `\`${field}\` did not arrive` }
    : { kind: 'renamed', says: `\`${field}\` arrived as \`${moved.name}\`` }
}

function isLike(name: string, field: string): boolean {
  return bare(name).endsWith(bare(field))
}

function bare(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

function seenFields(answer: JsonObject): readonly SeenField[] {
  const { fields } = (answer['received'] ?? {}) as { readonly fields?: readonly JsonObject[] }
  if (!Array.isArray(fields)) return []
  return (fields as readonly JsonObject[]).map((field) => ({
    name: wordOf(field, 'name'),
    length: Number(field['length']),
    sha256: wordOf(field, 'sha256'),
  }))
}
