import { resolve } from 'node:path'
import type { Json, JsonObject } from '@quantum-ip/base'
import { durationMs, listenOf, shareOf, sizeBytes } from './units.ts'
import { type Word, type WordSet, words } from './words.ts'

/**
 * One mapping of an effective configuration, read by type.
 *
 * What it reads was checked against the schema: a value that is not there or of another type is a mistake of ours.
 */
export class Section {
  readonly #value: JsonObject
  readonly #directory: string

  /** `directory` is what relative paths are relative to. */
  constructor(value: Json | undefined, directory: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new TypeError('not a mapping')
    this.#value = value
    this.#directory = directory
  }

  section(name: string): Section {
    return new Section(this.#value[name], this.#directory)
  }

  optionalSection(name: string): Section | undefined {
    return this.has(name) ? this.section(name) : undefined
  }

  sections(name: string): readonly Section[] {
    return this.#list(name).map((item) => new Section(item, this.#directory))
  }

  has(name: string): boolean {
    return this.#value[name] !== undefined
  }

  isList(name: string): boolean {
    return Array.isArray(this.#value[name])
  }

  isNumber(name: string): boolean {
    return typeof this.#value[name] === 'number'
  }

  text(name: string): string {
    return asText(this.#value[name])
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined
  }

  texts(name: string): readonly string[] {
    return this.#list(name).map(asText)
  }

  optionalTexts(name: string): readonly string[] | undefined {
    return this.has(name) ? this.texts(name) : undefined
  }

  integer(name: string): number {
    const value = this.#value[name]
    if (typeof value !== 'number') throw new TypeError(`\`${name}\` is not a number`)
    return value
  }

  flag(name: string): boolean {
    const value = this.#value[name]
    if (typeof value !== 'boolean') throw new TypeError(`\`${name}\` is not true or false`)
    return value
  }

  word<Set extends WordSet>(name: string, set: Set): Word<Set> {
    const value = this.text(name)
    const found = (words[set] as readonly Word<Set>[]).find((word) => word === value)
    if (found === undefined) throw new TypeError(`\`${name}\` is not one of its words`)
    return found
  }

  durationMs(name: string): number {
    return durationMs(this.text(name))
  }

  bytes(name: string): number {
    return sizeBytes(this.text(name))
  }

  share(name: string): number {
    return shareOf(this.text(name))
  }

  listen(name: string): { readonly host: string; readonly port: number } {
    return listenOf(this.text(name))
  }

  path(name: string): string {
    return resolve(this.#directory, this.text(name))
  }

  optionalPath(name: string): string | undefined {
    return this.has(name) ? this.path(name) : undefined
  }

  paths(name: string): readonly string[] {
    return this.texts(name).map((path) => resolve(this.#directory, path))
  }

  /** `http://host:port`, without a slash at the end. */
  optionalOrigin(name: string): string | undefined {
    return this.optionalText(name)?.replace(/\/$/, '')
  }

  #list(name: string): readonly Json[] {
    const value = this.#value[name]
    if (!Array.isArray(value)) throw new TypeError(`\`${name}\` is not a list`)
    return value
  }
}

function asText(value: Json | undefined): string {
  if (typeof value !== 'string') throw new TypeError('not a text')
  return value
}
