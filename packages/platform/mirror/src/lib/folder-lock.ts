import { type FolderLock, takeFolder } from '@quantum-ip/http'
import { MirrorError } from '../mirror-errors.ts'

/**
 * Takes a folder for this process alone. Two witnesses with one key and one folder would each compare with what they had read before.
 *
 * @throws {MirrorError} `QIP_MIRROR_FOLDER_LOCKED` · `QIP_MIRROR_STORE_UNAVAILABLE`
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const lock = await takeFolder(folder).catch((cause: Error) => {
    throw new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', { store: folder, reason: cause.message }, { cause })
  })
  if (lock === undefined) throw new MirrorError('QIP_MIRROR_FOLDER_LOCKED', { folder })
  return lock
}
