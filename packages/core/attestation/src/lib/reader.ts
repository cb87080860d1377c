import type { Json, JsonObject } from '@quantum-ip/base'

/** Makes the error for a member that is wrong. */
export type Malformed = (path: string, reason: string) => Error

/** Reads the members of one JSON object that something relies on; what nobody relies on is not looked at. */
export class Reader {
  readonly object: JsonObject
  readonly #path: string
  readonly #malformed: Malformed

  constructor(value: Json | undefined, path: string, malformed: Malformed) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw malformed(path, 'is not an object')
    }
    this.object = value
    this.#path = path
    this.#malformed = malformed
  }

  has(name: string): boolean {
    return Object.hasOwn(this.object, name)
  }

  text(name: string, charsMax: number): string {
    const value = this.object[name]
    if (typeof value !== 'string' || value === '') throw this.malformed(name, 'is not a text')
    if (value.length > charsMax) throw this.malformed(name, `is longer than ${charsMax} characters`)
    return value
  }

  optionalText(name: string, charsMax: number): string | undefined {
    return this.has(name) ? this.text(name, charsMax) : undefined
  }

  /** An integer from 0 to `max`. */
  integer(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.object[name]
    if (!Number.isSafeInteger(value)) throw this.malformed(name, 'is not an integer')
    const integer = (value as number) + 0
    if (integer < 0 || integer > max) throw this.malformed(name, `is not within 0 to ${max}`)
    return integer
  }

  array(name: string, max: number): Json[] {
    const value = this.object[name]
    if (!Array.isArray(value)) throw this.malformed(name, 'is not a list')
    if (value.length > max) throw this.malformed(name, `has more than ${max} elements`)
    return value
  }

  reader(name: string): Reader {
    return new Reader(this.object[name], this.#join(name), this.#malformed)
  }

  element(name: string, index: number): Reader {
    const value = (this.object[name] as Json[])[index]
    return new Reader(value, `${this.#join(name)}[${index}]`, this.#malformed)
  }

  malformed(name: string, reason: string): Error {
    return this.#malformed(this.#join(name), reason)
  }

  #join(name: string): string {
    if (this.#path === '') return name
    return name === '' ? this.#path : `${this.#path}.${name}`
  }
}
