import { BaseError } from './base-errors.ts'
import { limits } from './limits.ts'

/** A value that JSON can carry. Objects have no prototype, so that `__proto__` is a name like any other. */
export type Json = null | boolean | number | string | Json[] | JsonObject
/** A JSON object. */
export interface JsonObject {
  [name: string]: Json
}

const space = /[ \t\n\r]*/y
const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// A string's raw text: no bare control characters; its escapes are decoded by JSON.parse, which checks them.
// oxlint-disable-next-line no-control-regex -- the grammar of RFC 8259, section 7, is about control characters
const stringForm = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y

/**
 * Parses JSON of which there is only one reading: RFC 8259 without duplicate names, with well-formed
 * Unicode, numbers that survive a round trip, and nesting of at most 32.
 *
 * `JSON.parse` keeps the last of two equal names; another reader may keep the first. What was signed
 * must mean the same to all, so duplicates are refused (I-JSON, RFC 7493, section 2.3).
 *
 * @throws {BaseError} `QIP_BASE_JSON_MALFORMED` with the offset and the reason.
 */
export function parseJson(text: string): Json {
  const parser = new Parser(text)
  const value = parser.value(0)
  parser.end()
  return value
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Json {
    if (depth > limits.jsonDepthMax) throw this.#malformed(`nested deeper than ${limits.jsonDepthMax}`)
    this.#skip()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  end(): void {
    this.#skip()
    if (this.#at !== this.#text.length) throw this.#malformed('something follows the value')
  }

  #object(depth: number): JsonObject {
    const object: JsonObject = Object.create(null) as JsonObject
    this.#at++
    if (this.#eat('}')) return object
    for (;;) {
      this.#skip()
      const at = this.#at
      const name = this.#string()
      if (Object.hasOwn(object, name)) {
        this.#at = at
        throw this.#malformed('a name occurs twice')
      }
      if (!this.#eat(':')) throw this.#malformed('expected `:`')
      object[name] = this.value(depth + 1)
      if (this.#eat('}')) return object
      if (!this.#eat(',')) throw this.#malformed('expected `,` or `}`')
    }
  }

  #array(depth: number): Json[] {
    const array: Json[] = []
    this.#at++
    if (this.#eat(']')) return array
    for (;;) {
      array.push(this.value(depth + 1))
      if (this.#eat(']')) return array
      if (!this.#eat(',')) throw this.#malformed('expected `,` or `]`')
    }
  }

  #string(): string {
    const raw = this.#match(stringForm)
    if (raw === undefined) throw this.#malformed('expected a string')
    const text = this.#decode(raw)
    if (!text.isWellFormed()) throw this.#malformed('a string is not well-formed Unicode')
    return text
  }

  #decode(raw: string): string {
    try {
      return JSON.parse(raw) as string
    } catch {
      throw this.#malformed('a string has a malformed escape')
    }
  }

  #number(): number {
    const raw = this.#match(numberForm)
    if (raw === undefined) throw this.#malformed('expected a value')
    const value = Number(raw)
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw this.#malformed('a number is out of range')
    }
    return value
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#malformed('expected a value')
    this.#at += word.length
    return value
  }

  #eat(character: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skip(): void {
    this.#match(space)
  }

  #match(form: RegExp): string | undefined {
    form.lastIndex = this.#at
    const found = form.exec(this.#text)
    if (found === null) return undefined
    this.#at = form.lastIndex
    return found[0]
  }

  #malformed(reason: string): BaseError {
    return new BaseError('QIP_BASE_JSON_MALFORMED', { offset: this.#at, reason })
  }
}
