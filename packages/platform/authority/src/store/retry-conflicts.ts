import { isQipError } from '@quantum-ip/base'

const attemptsMax = 8

/** Writes again where another authority on the same store was faster: it took the number, or changed the row. */
export async function retryConflicts<Result>(write: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write()
    } catch (error) {
      if (attempt >= attemptsMax || !isQipError(error, 'QIP_AUTHORITY_CONFLICT')) throw error
    }
  }
}
