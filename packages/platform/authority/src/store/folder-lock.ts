import { type FolderLock, takeFolder } from '@quantum-ip/http'
import { AuthorityError } from '../authority-errors.ts'

/**
 * Takes a folder for this process alone.
 *
 * The high-water marks need a lock beside that of the store: with a copy of the store in another folder, a second process would
 * otherwise sign with the same keys.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_LOCKED` · `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const lock = await takeFolder(folder).catch((cause: Error) => {
    throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: cause.message }, { cause })
  })
  if (lock === undefined) throw new AuthorityError('QIP_AUTHORITY_DATA_LOCKED', { folder })
  return lock
}
