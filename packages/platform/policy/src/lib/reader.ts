import { nearest } from '@quantum-ip/base'
import type { Locate } from '../document.ts'
import { type Place, PolicyError } from '../policy-errors.ts'

/** The place of a path, with line and column where the text's reader knows them. */
export function placeOf(path: string, locate: Locate | undefined): Place {
  const position = locate?.(path)
  return position === undefined ? { path } : { path, line: position.line, column: position.column }
}

/** A value that was read from a policy's text, with its path: strict, one method for each form. */
export class Reader {
  readonly value: unknown
  readonly path: string
  readonly locate: Locate | undefined

  constructor(value: unknown, path: string, locate: Locate | undefined) {
    this.value = value
    this.path = path
    this.locate = locate
  }

  get place(): Place {
    return placeOf(this.path, this.locate)
  }

  /** The members of an object that has no key but `known` ones. */
  object(known: readonly string[]): ReadonlyMap<string, Reader> {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.invalid('an object')
    const members = new Map<string, Reader>()
    for (const [key, member] of Object.entries(value)) {
      const path = this.path === '' ? key : `${this.path}.${key}`
      if (!known.includes(key)) throw this.#unknown(key, path, known)
      members.set(key, new Reader(member, path, this.locate))
    }
    return members
  }

  #unknown(key: string, path: string, known: readonly string[]): PolicyError {
    const shown = key.slice(0, 64)
    const at = { ...placeOf(path, this.locate), path: path.slice(0, path.length - key.length) + shown }
    return new PolicyError('QIP_POLICY_KEY_UNKNOWN', { at, key: shown, nearest: nearest(shown, known) })
  }

  list(what: string, sizeMax: number): readonly Reader[] {
    if (!Array.isArray(this.value)) throw this.invalid(`a list of ${what}`)
    if (this.value.length > sizeMax) throw this.tooLarge(what, sizeMax)
    // Not `map`, which passes holes over: an item that is nothing must be refused, not lost.
    return Array.from(this.value, (item: unknown, at) => new Reader(item, `${this.path}[${at}]`, this.locate))
  }

  text(expected: string, charsMax: number): string {
    if (typeof this.value !== 'string' || this.value === '') throw this.invalid(expected)
    if (this.value.length > charsMax) throw this.tooLarge('characters', charsMax)
    return this.value
  }

  bool(): boolean {
    if (typeof this.value !== 'boolean') throw this.invalid('`true` or `false`')
    return this.value
  }

  integer(expected: string, max: number): number {
    const { value } = this
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
      throw this.invalid(expected)
    }
    return value
  }

  oneOf<Word extends string>(words: readonly Word[]): Word {
    const found = words.find((word) => word === this.value)
    if (found !== undefined) return found
    const expected = words.map((word) => `\`${word}\``).join(', ')
    throw this.invalid(words.length === 1 ? expected : `one of ${expected}`, words)
  }

  invalid(expected: string, words: readonly string[] = []): PolicyError {
    const hint = typeof this.value === 'string' ? nearest(this.value.slice(0, 64), words) : undefined
    return new PolicyError('QIP_POLICY_VALUE_INVALID', { at: this.place, expected, nearest: hint })
  }

  notNamed(reason: string, next: string): PolicyError {
    return new PolicyError('QIP_POLICY_NOT_NAMED', { at: this.place, reason, next })
  }

  tooLarge(what: string, limit: number): PolicyError {
    return new PolicyError('QIP_POLICY_LIMIT_EXCEEDED', { at: this.place, what, limit })
  }
}

/** A member that must be there. */
export function required(
  members: ReadonlyMap<string, Reader>,
  from: { readonly of: Reader; readonly key: string; readonly example: string },
): Reader {
  const member = members.get(from.key)
  if (member !== undefined) return member
  throw new PolicyError('QIP_POLICY_KEY_MISSING', { at: from.of.place, key: from.key, example: from.example })
}
