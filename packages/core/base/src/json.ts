import { BaseError } from './base-errors.ts'
import { limits } from './limits.ts'

/** A value that JSON can carry. Objects have no prototype, so that `__proto__` is a name like any other. */
export type Json = null | boolean | number | string | Json[] | JsonObject
/** A JSON object. */
export interface JsonObject {
  [name: string]: Json
}

const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/**
 * Parses JSON of which there is only one reading: RFC 8259 without duplicate names, with well-formed
 * Unicode, integers that a double holds exactly, no number beyond doubles, and no value inside of more
 * than 32 others. What it accepts means the same to any other reader.
 *
 * `JSON.parse` keeps the last of two equal names; another reader may keep the first. What was signed
 * must mean the same to all, so duplicates are refused (I-JSON, RFC 7493, section 2.3). It also misreads
 * some escaped names (nodejs/node#63785); here it only ever gets one string, which it reads well.
 *
 * The time is linear in the text. The length has no limit here: whoever reads the text sets one.
 *
 * @throws {BaseError} `QIP_BASE_JSON_MALFORMED` with the offset (in UTF-16 code units) and the reason.
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
  /** Where the next backslash is, from somewhere at or before `#at` on; the text's length where there is none. */
  #backslash = -1

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Json {
    this.#skip()
    if (depth > limits.jsonDepthMax) throw this.#malformed(`nested deeper than ${limits.jsonDepthMax}`)
    switch (this.#text.charAt(this.#at)) {
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
      if (Object.hasOwn(object, name)) throw this.#malformed('a name occurs twice', at)
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
    const at = this.#at
    if (this.#text[at] !== '"') throw this.#malformed('expected a string')
    const end = this.#closingQuote(at + 1)
    if (end < 0) throw this.#malformed('a string has no end')
    this.#at = end + 1
    const text = this.#decode(at)
    if (!text.isWellFormed()) throw this.#malformed('a string is not well-formed Unicode', at)
    return text
  }

  // Two searches by `indexOf` instead of an expression: a regular expression with alternatives keeps a state per
  // character, and gives up with a RangeError on a string of some megabytes.
  #closingQuote(from: number): number {
    let start = from
    let end = this.#text.indexOf('"', start)
    for (;;) {
      if (this.#backslash < start) this.#backslash = this.#find('\\', start)
      if (end < this.#backslash) return end
      // What is escaped is not the end, whatever it is.
      start = this.#backslash + 2
      if (end < start) end = this.#text.indexOf('"', start)
    }
  }

  #find(character: string, from: number): number {
    const at = this.#text.indexOf(character, from)
    return at < 0 ? this.#text.length : at
  }

  // JSON.parse checks the escapes and refuses bare control characters. It also copies: a slice of the text, kept in
  // some map, would keep the whole document in memory.
  #decode(at: number): string {
    try {
      return JSON.parse(this.#text.slice(at, this.#at)) as string
    } catch {
      throw this.#malformed('a string has a malformed escape or a bare control character', at)
    }
  }

  #number(): number {
    const at = this.#at
    numberForm.lastIndex = at
    if (!numberForm.test(this.#text)) throw this.#malformed('expected a value')
    this.#at = numberForm.lastIndex
    const value = Number(this.#text.slice(at, this.#at))
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw this.#malformed('a number is out of range', at)
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

  // RFC 8259, section 2: space, tab, line feed, carriage return, and nothing else of what Unicode calls a space.
  #skip(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #malformed(reason: string, offset = this.#at): BaseError {
    return new BaseError('QIP_BASE_JSON_MALFORMED', { offset, reason })
  }
}
