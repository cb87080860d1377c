/**
 * Whose fault an error is. It alone picks the HTTP status of a reply and whether a retry makes sense.
 *
 * - `caller`: the input is wrong; the same call fails again (400)
 * - `denied`: the caller may not do this (401, 403)
 * - `conflict`: the call does not fit the present state (409)
 * - `busy`: overloaded, unavailable or timed out; try again later (503)
 * - `defect`: ours; something that must be true is not (500)
 */
export type Fault = 'caller' | 'denied' | 'conflict' | 'busy' | 'defect'

/** One row of a package's error table. */
export interface ErrorRow<Details> {
  readonly fault: Fault
  /** Lower case, no full stop, user input in backticks; never a token, key or whole request. */
  readonly message: (details: Details) => string
  /** What to do next, where that is not obvious from the message. */
  readonly next?: (details: Details) => string
}

/** The whole table of a package: one row for each code of its details interface. */
export type ErrorTable<Details> = { readonly [Code in keyof Details]: ErrorRow<Details[Code]> }

/**
 * The base of every error that this project throws on purpose.
 *
 * `code` is API and stays; `message` is for people and may change. Each package derives one class
 * from it, over one table, so that a code tells where it comes from:
 *
 * ```ts
 * export interface LogErrorDetails { QIP_LOG_CHECKPOINT_MALFORMED: { readonly line: number } }
 * export class LogError<C extends keyof LogErrorDetails = keyof LogErrorDetails> extends QipError<LogErrorDetails, C> {
 *   constructor(code: C, details: LogErrorDetails[C], options?: ErrorOptions) {
 *     super(logErrors, code, details, options)
 *   }
 * }
 * ```
 */
export abstract class QipError<Details, Code extends keyof Details = keyof Details> extends Error {
  readonly code: Code
  readonly details: Details[Code]
  readonly fault: Fault
  /** What to do next, for people. */
  readonly next: string | undefined

  constructor(table: ErrorTable<Details>, code: Code, details: Details[Code], options?: ErrorOptions) {
    const row = table[code]
    super(row.message(details), options)
    this.name = new.target.name
    this.code = code
    this.details = details
    this.fault = row.fault
    this.next = row.next?.(details)
  }
}

/** What any {@link QipError} looks like to code that does not know its package. */
export interface CodedError extends Error {
  readonly code: string
  readonly details: unknown
  readonly fault: Fault
  readonly next: string | undefined
}

/** Whether `error` is one of ours, optionally with this very code. */
export function isQipError(error: unknown, code?: string): error is CodedError {
  return error instanceof QipError && (code === undefined || (error as CodedError).code === code)
}
