import { createHash } from 'node:crypto'
import { reservedNames } from '@quantum-ip/point'
import { methodOverrideNames } from '../gateway/field-scan.ts'
import { type QuestionRefusal, type ToldCoordinates, readCoordinates } from '../question/read-coordinates.ts'
import type { CheckRequest } from './check-request.ts'

/** What is read of a question before it is judged. */
export interface CheckQuestion {
  readonly at: ToldCoordinates
  /** The fields that are the point's, flat, lower-case names. */
  readonly reserved: readonly string[]
  /** Names of fields that a service might read as ours, as they are spelled: they go no further. */
  readonly spoofed: readonly string[]
  /** Whether Envoy sent the body whole. */
  readonly hasBody: boolean
}

/** What a question is read by. */
export interface CheckRules {
  /** Fields besides `reservedNames` that the point reads and nobody else gets. */
  readonly certificateFields: readonly string[]
  readonly exactPaths: boolean
  readonly fieldsMax: number
}

const own = 1
const overrides = 2
const scheme = 3
const partial = 4
const joinable = 5

/** Reads what Envoy asks. Made once, for a set of rules. */
export class CheckReader {
  readonly #kinds = new Map<string, number>()
  readonly #rules: CheckRules

  constructor(rules: CheckRules) {
    this.#rules = rules
    for (const name of reservedNames) this.#kinds.set(name, own)
    // Certificates are lists with commas of their own; `tracestate` is a list that may come in parts.
    for (const name of [...rules.certificateFields, 'tracestate']) this.#kinds.set(name, joinable)
    for (const name of methodOverrideNames) this.#kinds.set(name, overrides)
    this.#kinds.set('x-forwarded-proto', scheme)
    this.#kinds.set('x-envoy-auth-partial-body', partial)
  }

  /** The question; or why it has no reading, or two. */
  read(asked: CheckRequest): CheckQuestion | QuestionRefusal {
    const { fields, joined } = asked
    if (fields.length > this.#rules.fieldsMax * 2)
      return { refused: 'fields_too_large', detail: 'too many fields' }
    const found = { reserved: [] as string[], spoofed: [] as string[], schemes: '', parts: '' }
    for (let i = 0; i < fields.length; i += 2) {
      const name = (fields[i] as string).toLowerCase()
      const value = fields[i + 1] as string
      const kind = this.#kinds.get(name)
      if (kind === undefined) {
        if (odd.test(name) && this.#spoofs(name)) found.spoofed.push(name)
      } else if (kind === own) addOwn(found.reserved, { name, value, joined })
      else if (kind === joinable) found.reserved.push(name, value)
      else if (kind === scheme) found.schemes = listed(found.schemes, value)
      else if (kind === partial) found.parts = listed(found.parts, value)
      else return { refused: 'method_override', detail: 'the method is the one in the request line' }
    }
    const { method, path: target, host } = asked
    const at = readCoordinates({ method, target, host, scheme: found.schemes }, this.#rules.exactPaths)
    if ('refused' in at) return at
    const hasBody = asked.rawBody !== undefined && found.parts === 'false'
    return { at, reserved: found.reserved, spoofed: found.spoofed, hasBody }
  }

  // Servers that turn `-`, `_` and `.` into one another (CGI and its heirs) would read them as ours.
  #spoofs(name: string): boolean {
    return name.charCodeAt(0) !== colon && this.#kinds.has(name.replaceAll(/[^a-z0-9]/g, '-'))
  }
}

const odd = /[^a-z0-9-]/
const colon = 0x3a

/** SHA-256 of a body that is whole. */
export function digestOfBody(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(body).digest()
}

// Two of what must be there once are a list, which is no value of it.
function listed(before: string, value: string): string {
  return before === '' ? value : `${before},${value}`
}

// No value of ours has a comma: one in there is where two fields were joined, and two are told from one.
function addOwn(
  reserved: string[],
  { name, value, joined }: { readonly name: string; readonly value: string; readonly joined: boolean },
): void {
  if (!joined || !value.includes(',')) {
    reserved.push(name, value)
    return
  }
  for (const part of value.split(',')) reserved.push(name, part)
}
