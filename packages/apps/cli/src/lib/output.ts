import { styleText } from 'node:util'
import type { JsonObject } from '@quantum-ip/base'
import type { Io } from './io.ts'

/** The colours that mean something. */
export type Tone = 'good' | 'bad' | 'warn' | 'dim' | 'strong' | 'accent'

const styles = {
  good: 'green',
  bad: 'red',
  warn: 'yellow',
  dim: 'dim',
  strong: 'bold',
  accent: 'cyan',
} as const

/** A cell of a table, or a word of a line: text, perhaps in a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone }

/** What every command has. */
export interface OutputOptions {
  readonly json?: boolean
}

/** Writes what a command found out: lines and tables for people, or one JSON object. */
export class Output {
  readonly json: boolean
  readonly #io: Io
  #liveLines = 0

  constructor(io: Io, { json = false }: OutputOptions = {}) {
    this.#io = io
    this.json = json
  }

  /** The answer, in the form that was asked for. */
  show(answer: JsonObject, forPeople: () => void): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(answer)}\n`)
    else forPeople()
  }

  line(...words: readonly Cell[]): void {
    this.#io.stdout.write(
      `${words
        .map((word) => this.#paint(word))
        .join(' ')
        .trimEnd()}\n`,
    )
  }

  /** Names and what they are, aligned, indented by two. */
  facts(rows: readonly (readonly [name: string, value: Cell] | undefined)[]): void {
    const present = rows.filter((row) => row !== undefined)
    const width = Math.max(0, ...present.map(([name]) => name.length))
    for (const [name, value] of present) {
      this.#io.stdout.write(`  ${this.#paint(tone('dim', name.padEnd(width)))}  ${this.#paint(value)}\n`)
    }
  }

  /** A table with a head; columns as wide as they need to be. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const plainRows = rows.map((row) => row.map((cell) => inOneLine(cell)))
    const widths = head.map((name, at) => {
      return Math.max(name.length, ...plainRows.map((row) => textIn(row[at] ?? '').length))
    })
    const write = (cells: readonly Cell[]) =>
      this.line(...cells.map((cell, at) => pad(cell, widths[at] ?? 0)))
    write(head.map((name) => tone('dim', name)))
    for (const row of plainRows) write(row)
  }

  /** What goes on meanwhile, on stderr; overwritten on a terminal, otherwise silent unless `always`. */
  progress(text: string): void {
    if (this.#io.showsProgress) this.#io.stderr.write(`\r\u001b[2K${text}`)
  }

  /** Ends the line of progress. */
  progressDone(): void {
    if (this.#io.showsProgress) this.#io.stderr.write('\r\u001b[2K')
  }

  /** One thing that happened, as a line of JSON; before the answer, with `--json` only. */
  event(event: JsonObject): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(event)}\n`)
  }

  /** Whether there is a terminal on which {@link Output.live} draws. */
  get isLive(): boolean {
    return this.#io.showsProgress && !this.json
  }

  /** Lines about what goes on, on stderr, drawn over the ones before; nothing where there is no terminal. */
  live(lines: readonly (readonly Cell[])[]): void {
    if (!this.isLive) return
    this.liveDone()
    for (const words of lines) {
      this.#io.stderr.write(`${words.map((word) => this.#paint(word)).join(' ')}\n`)
    }
    this.#liveLines = lines.length
  }

  /** Takes the lines of {@link Output.live} away. */
  liveDone(): void {
    if (this.#liveLines > 0) this.#io.stderr.write(`\u001b[${this.#liveLines}A\r\u001b[J`)
    this.#liveLines = 0
  }

  /** What a person should know beside the answer: on stderr, also with `--json`. */
  note(text: string): void {
    this.#io.stderr.write(`${plain(text)}\n`)
  }

  #paint(cell: Cell): string {
    if (typeof cell === 'string') return plain(cell)
    const text = plain(cell.text)
    if (!this.#io.isTerminal) return text
    return styleText(styles[cell.tone], text, { validateStream: false })
  }
}

/** Text in a tone. */
export function tone(tone: Tone, text: string): Cell {
  return { text, tone }
}

// What members, callers and certificates wrote is shown, too: none of it may move the cursor, colour, or hide what follows.
function plain(text: string): string {
  return text.replaceAll(/[^\P{C}\n\t]/gu, '?')
}

/** A row is one line: a name with a line feed in it must not look like another row. */
function inOneLine(cell: Cell): Cell {
  const text = plain(textIn(cell)).replaceAll(/[\n\t\u2028\u2029]/g, ' ')
  return typeof cell === 'string' ? text : { ...cell, text }
}

function textIn(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}

function pad(cell: Cell, width: number): Cell {
  const missing = ' '.repeat(Math.max(0, width - textIn(cell).length))
  return typeof cell === 'string' ? cell + missing : { ...cell, text: cell.text + missing }
}
