import { Composer, type Document, LineCounter, Parser, type CST } from 'yaml'
import type { Json } from '@quantum-ip/base'
import type { Path } from '../lib/schema-tree.ts'
import { HttpError } from '../http-errors.ts'
import { checkTokens } from './check-tokens.ts'
import { excerptOf } from './excerpt.ts'
import { placeKey } from './place-key.ts'
import { readNode } from './read-node.ts'
import { YamlFault, faultOfCode } from './yaml-fault.ts'

/** Where something stands in a text; both from 1 on. */
export interface TextPosition {
  readonly line: number
  readonly column: number
}

/** A YAML text that was read. */
export interface YamlText {
  /** `null` for an empty text. Mappings have no prototype. */
  readonly value: Json
  /** Where the value at `path` stands: a mapping's member at its key. For a path that is not there: its nearest parent. */
  locate(path: Path): TextPosition
}

/** What {@link readYaml} takes. */
export interface ReadYamlOptions {
  /** The name of the text in errors: a file's path. */
  readonly source: string
  /** Default 262,144. */
  readonly sizeMax?: number
}

const sizeMaxDefault = 262_144

/**
 * Reads one document of YAML 1.2, core schema, of which there is only one reading.
 *
 * Refused, because they make a text mean something else than what it looks like: duplicate keys, anchors and
 * aliases, tags, directives, a second document, keys that are not text, numbers with leading zeros (file
 * modes) or that do not survive a round trip, control characters, nesting deeper than 32.
 *
 * @throws {HttpError} `QIP_HTTP_YAML_MALFORMED` with line, column and the line's key; never a value.
 */
export function readYaml(text: string, { source, sizeMax = sizeMaxDefault }: ReadYamlOptions): YamlText {
  const lines = new LineCounter()
  const places = new Map<string, number>()
  const position = (offset: number): TextPosition => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  try {
    checkText(text, sizeMax, lines)
    const document = compose(text, lines)
    const value = document?.contents ? readNode(document.contents, places) : null
    return { value, locate: (path) => position(nearestPlace(places, path)) }
  } catch (cause) {
    const fault = asFault(cause)
    const at = position(fault.offset)
    const details = { source, ...at, reason: fault.reason, excerpt: excerptOf(text, at.line) }
    // No cause: the library's own messages quote the text.
    throw new HttpError('QIP_HTTP_YAML_MALFORMED', details)
  }
}

// oxlint-disable-next-line no-control-regex -- what YAML 1.2, section 5.1, leaves out of its character set
const unprintable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/

function checkText(text: string, sizeMax: number, lines: LineCounter): void {
  if (Buffer.byteLength(text) > sizeMax) throw new YamlFault(0, `longer than ${sizeMax} bytes`)
  const control = text.search(unprintable)
  if (control >= 0 || !text.isWellFormed()) {
    lines.addNewLine(0)
    for (let at = text.indexOf('\n'); at >= 0 && at < control; at = text.indexOf('\n', at + 1))
      lines.addNewLine(at + 1)
    throw new YamlFault(
      Math.max(control, 0),
      control >= 0 ? 'a control character' : 'not well-formed Unicode',
    )
  }
}

function compose(text: string, lines: LineCounter): Document.Parsed | undefined {
  const tokens: CST.Token[] = [...new Parser(lines.addNewLine).parse(text)]
  checkTokens(tokens)
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    strict: true,
    prettyErrors: false,
    logLevel: 'silent',
    // Compared pairwise by the library; readNode finds duplicates in linear time.
    uniqueKeys: false,
  })
  let found: Document.Parsed | undefined
  for (const document of composer.compose(tokens, true, text.length)) {
    if (found !== undefined) throw new YamlFault(document.range[0], 'a second document; one file holds one')
    const [error] = [...document.errors, ...document.warnings]
    if (error !== undefined) throw faultOfCode(error.pos[0], error.code)
    found = document
  }
  return found
}

function asFault(error: unknown): YamlFault {
  if (error instanceof YamlFault) return error
  if (error instanceof RangeError) return new YamlFault(0, 'nested too deep')
  throw error
}

function nearestPlace(places: ReadonlyMap<string, number>, path: Path): number {
  for (let size = path.length; size >= 0; size--) {
    const place = places.get(placeKey(path.slice(0, size)))
    if (place !== undefined) return place
  }
  return 0
}
