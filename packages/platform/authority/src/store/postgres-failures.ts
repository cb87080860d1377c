import { AuthorityError } from '../authority-errors.ts'

/** What an error of the driver means for the transaction that it hit before its COMMIT. */
export type PostgresFailure = 'collided' | 'disconnected' | 'refused'

/** Serialisation failures and deadlocks: the whole transaction may be run again (SQLSTATE class 40). */
const collisions = new Set(['40001', '40P01'])
/** The server ends the connection, or takes no writes: another connection may reach the one that does. */
const disconnections = new Set(['57P01', '57P02', '57P03', '57P05', '25006', '25P03', '53300', '08000'])

/** The SQLSTATE of an error; `undefined` where the server did not send it: the connection broke. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && severity !== undefined ? code : undefined
}

/** Sorts an error of a statement. */
export function failureOf(error: unknown): PostgresFailure {
  const state = sqlStateOf(error)
  if (state === undefined) return 'disconnected'
  if (collisions.has(state)) return 'collided'
  return disconnections.has(state) || state.startsWith('08') ? 'disconnected' : 'refused'
}

/**
 * The error for callers. It never carries the server's own text: that may hold values of a row, and a connection's, the URL with
 * its password.
 */
export function storeUnavailable(error: unknown, doing: string): AuthorityError {
  const state = sqlStateOf(error)
  const { code, message } = error as { code?: unknown; message?: unknown }
  const broke = typeof code === 'string' ? code : message === 'Query read timeout' ? 'it did not answer' : ''
  const reason =
    state === undefined
      ? `PostgreSQL cannot be reached while ${doing}${broke === '' ? '' : ` (${broke})`}`
      : `PostgreSQL refused while ${doing} (SQLSTATE ${state})`
  return new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', {
    reason,
    next: 'look at the server’s log and at the URL in `store.postgres.urlFile`; nothing acknowledged is lost',
  })
}
