/** A bare item of RFC 9651 that our fields use: String, Integer, Boolean, Token, or Byte Sequence (its base64). */
export type Item = string | number | boolean | { readonly token: string } | { readonly bytes: string }

/**
 * A dictionary (RFC 9651, section 4.1.2).
 *
 * @throws {TypeError} for a string that holds anything but printable ASCII.
 */
export function formatDictionary(members: readonly (readonly [key: string, item: Item])[]): string {
  return members.map(([key, item]) => (item === true ? key : `${key}=${formatItem(item)}`)).join(', ')
}

function formatItem(item: Item): string {
  if (typeof item === 'number') return String(item)
  if (typeof item === 'boolean') return item ? '?1' : '?0'
  if (typeof item === 'object') return 'token' in item ? item.token : `:${item.bytes}:`
  if (!/^[\u0020-\u007e]*$/.test(item))
    throw new TypeError('a string of a structured field is printable ASCII')
  return `"${item.replaceAll(/["\\]/g, '\\$&')}"`
}

const memberKey = /[a-z*][a-z0-9_\-.*]*/y
const spaces = /[ \t]*/y
const integer = /-?\d{1,15}(?![\d.])/y
const string = /"((?:[\u0020\u0021\u0023-\u005b\u005d-\u007e]|\\["\\])*)"/y
const token = /[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*/y
const bytes = /:([A-Za-z0-9+/]*={0,2}):/y
const boolean = /\?([01])/y

/**
 * Parses a dictionary whose members are bare items of these five types (RFC 9651, section 4.2.2); `undefined` where it is
 * malformed, since the whole field is to be ignored then. Parameters are read and dropped; of equal keys the last counts.
 * Inner lists, decimals, dates and display strings do not occur in our fields and make it malformed.
 */
export function parseDictionary(text: string): ReadonlyMap<string, Item> | undefined {
  const scanner = new Scanner(text.replace(/^ +/, '').replace(/ +$/, ''))
  const members = new Map<string, Item>()
  if (scanner.ended) return members
  for (;;) {
    const key = scanner.match(memberKey)
    if (key === undefined) return undefined
    const item = scanner.eat('=') ? scanner.item() : true
    if (item === undefined || !scanner.parameters()) return undefined
    members.delete(key)
    members.set(key, item)
    scanner.match(spaces)
    if (scanner.ended) return members
    if (!scanner.eat(',')) return undefined
    scanner.match(spaces)
    // A comma at the end is an error (section 4.2.2): the next key does not match.
  }
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get ended(): boolean {
    return this.#at === this.#text.length
  }

  eat(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  /** What `form` matches here: its first group, or all of it. */
  match(form: RegExp): string | undefined {
    form.lastIndex = this.#at
    const found = form.exec(this.#text)
    if (found === null) return undefined
    this.#at = form.lastIndex
    return found[1] ?? found[0]
  }

  item(): Item | undefined {
    const first = this.#text[this.#at]
    if (first === '"') return this.match(string)?.replaceAll(/\\(["\\])/g, '$1')
    if (first === ':') return wrap(this.match(bytes), (base64) => ({ bytes: base64 }))
    if (first === '?') return wrap(this.match(boolean), (digit) => digit === '1')
    if (first !== undefined && /[-\d]/.test(first)) return wrap(this.match(integer), Number)
    return wrap(this.match(token), (word) => ({ token: word }))
  }

  /** Reads `;key` and `;key=item` as often as they come. */
  parameters(): boolean {
    while (this.eat(';')) {
      this.match(/ */y)
      if (this.match(memberKey) === undefined) return false
      if (this.eat('=') && this.item() === undefined) return false
    }
    return true
  }
}

function wrap(text: string | undefined, make: (text: string) => Item): Item | undefined {
  return text === undefined ? undefined : make(text)
}
