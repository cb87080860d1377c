import { type Json, type JsonObject, parseBase64url, parseJson, parseUtf8 } from '@quantum-ip/base'
import type { DocumentKind } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'

/** An integer's bounds, both inclusive. */
interface Bounds {
  readonly min?: number
  readonly max?: number
}

/** Reads the members of one JSON object, each with its type and limit; errors name the path. */
export class Members {
  readonly #object: JsonObject
  readonly #document: DocumentKind
  readonly #path: string

  constructor(object: JsonObject, document: DocumentKind, path = '') {
    this.#object = object
    this.#document = document
    this.#path = path
  }

  /** The members of `value`, which has to be an object. */
  static of(value: Json | undefined, document: DocumentKind, path = ''): Members {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', { document, path, reason: 'is not an object' })
    }
    return new Members(value, document, path)
  }

  get object(): JsonObject {
    return this.#object
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name)
  }

  /** Refuses a `crit` that lists anything but members in `known`. */
  checkCritical(known: readonly string[]): void {
    if (!this.has('crit')) return
    for (const member of this.array('crit', 64)) {
      if (typeof member !== 'string') throw this.malformed('crit', 'is not a list of names')
      if (!known.includes(member)) {
        throw new TrustError('QIP_TRUST_CRITICAL_UNKNOWN', {
          document: this.#document,
          member: member.slice(0, 64),
        })
      }
    }
  }

  text(name: string, charsMax: number): string {
    const value = this.#object[name]
    if (typeof value !== 'string' || value === '') throw this.malformed(name, 'is not a text')
    if (value.length > charsMax) throw this.malformed(name, `is longer than ${charsMax} characters`)
    return value
  }

  optionalText(name: string, charsMax: number): string | undefined {
    return this.has(name) ? this.text(name, charsMax) : undefined
  }

  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {}): number {
    const value = this.#object[name]
    if (!Number.isSafeInteger(value)) throw this.malformed(name, 'is not an integer')
    const integer = (value as number) + 0
    if (integer < min || integer > max) throw this.malformed(name, `is not within ${min} to ${max}`)
    return integer
  }

  optionalInteger(name: string): number | undefined {
    return this.has(name) ? this.integer(name) : undefined
  }

  /** A SHA-256 hash in base64url. */
  hash(name: string): Uint8Array {
    return parseHash(this.#object[name], () => this.malformed(name, 'is not a SHA-256 hash in base64url'))
  }

  array(name: string, max: number): Json[] {
    const value = this.#object[name]
    if (!Array.isArray(value)) throw this.malformed(name, 'is not a list')
    if (value.length > max) {
      const what = `\`${this.#join(name)}\``
      throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', { document: this.#document, what, limit: max })
    }
    return value
  }

  members(name: string): Members {
    return Members.of(this.#object[name], this.#document, this.#join(name))
  }

  /** The members of the `index`th element of the list `name`. */
  element(name: string, index: number): Members {
    const value = (this.#object[name] as Json[])[index]
    return Members.of(value, this.#document, `${this.#join(name)}[${index}]`)
  }

  /** The names of this object, of which there may be `max`. */
  names(max: number): string[] {
    const names = Object.keys(this.#object)
    if (names.length > max) {
      const what = `\`${this.#path}\``
      throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', { document: this.#document, what, limit: max })
    }
    return names
  }

  malformed(name: string, reason: string, options?: ErrorOptions): TrustError {
    const details = { document: this.#document, path: this.#join(name), reason }
    return new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', details, options)
  }

  #join(name: string): string {
    // A name may come from the document (a log, a policy): its length is bounded here.
    const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name
    if (this.#path === '') return shown
    return shown === '' ? this.#path : `${this.#path}.${shown}`
  }
}

/** A SHA-256 hash in base64url, in an array of its own: what is held for long must not pin a shared buffer. */
export function parseHash(value: Json | undefined, malformed: () => Error): Uint8Array {
  if (typeof value !== 'string' || value.length !== 43) throw malformed()
  try {
    return new Uint8Array(parseBase64url(value))
  } catch {
    throw malformed()
  }
}

/** The strict JSON object in `payload`, of at most `bytesMax` bytes. */
export function parseDocument(payload: Uint8Array, document: DocumentKind, bytesMax: number): Members {
  if (payload.length > bytesMax) {
    throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', { document, what: 'bytes', limit: bytesMax })
  }
  return Members.of(parseDocumentJson(payload, document), document)
}

function parseDocumentJson(payload: Uint8Array, document: DocumentKind): Json {
  try {
    return parseJson(parseUtf8(payload))
  } catch (cause) {
    const reason = (cause as Error).message
    throw new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', { document, path: '', reason }, { cause })
  }
}
