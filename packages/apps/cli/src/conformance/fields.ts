import { isQipError, type Json, type JsonObject, parseBase64 } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { isObject } from '../lib/json.ts'

/** Reads the fields of one request. What an operation does not know is passed over. */
export class Fields {
  readonly #object: JsonObject

  constructor(object: JsonObject) {
    this.#object = object
  }

  has(name: string): boolean {
    const value = this.#object[name]
    return value !== undefined && value !== null
  }

  json(name: string): Json {
    const value = this.#object[name]
    if (value === undefined || value === null) throw new CliError('QIP_CLI_FIELD_MISSING', { field: name })
    return value
  }

  text(name: string): string {
    const value = this.json(name)
    if (typeof value !== 'string') throw invalid(name, 'a text')
    return value
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined
  }

  /** A whole number from 0 on. */
  count(name: string): number {
    const value = this.json(name)
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw invalid(name, 'a whole number from 0 to 2^53-1')
    }
    return value as number
  }

  optionalCount(name: string): number | undefined {
    return this.has(name) ? this.count(name) : undefined
  }

  /** Bytes in standard base64. */
  bytes(name: string): Uint8Array {
    return bytesOf(this.json(name), name)
  }

  optionalBytes(name: string): Uint8Array | undefined {
    return this.has(name) ? this.bytes(name) : undefined
  }

  /** A list; absent and `null` are an empty one, as some languages write it. */
  list(name: string): readonly Json[] {
    if (!this.has(name)) return []
    const value = this.json(name)
    if (!Array.isArray(value)) throw invalid(name, 'a list')
    return value
  }

  bytesList(name: string): readonly Uint8Array[] {
    return this.list(name).map((value, at) => bytesOf(value, `${name}[${at}]`))
  }

  texts(name: string): readonly string[] {
    return this.list(name).map((value, at) => {
      if (typeof value !== 'string') throw invalid(`${name}[${at}]`, 'a text')
      return value
    })
  }

  objects(name: string): readonly Fields[] {
    return this.list(name).map((value, at) => {
      if (!isObject(value)) throw invalid(`${name}[${at}]`, 'an object')
      return new Fields(value)
    })
  }

  /** JSON that may come as its text, or in place. */
  document(name: string): string {
    const value = this.json(name)
    if (typeof value === 'string') return value
    if (!isObject(value)) throw invalid(name, 'an object, or the text of one')
    return JSON.stringify(value)
  }
}

function bytesOf(value: Json, name: string): Uint8Array {
  if (typeof value !== 'string') throw invalid(name, 'bytes in base64')
  try {
    return parseBase64(value)
  } catch (error) {
    if (!isQipError(error)) throw error
    throw invalid(name, 'bytes in standard base64')
  }
}

function invalid(field: string, expected: string): CliError {
  return new CliError('QIP_CLI_FIELD_INVALID', { field, expected })
}
