import { open } from 'node:fs/promises'

/** A file that lines are appended to. */
export interface AppendFile {
  /** Writes all bytes. If that fails, a part of them may be there. */
  append(bytes: Uint8Array): Promise<void>
  /** Cuts the file, so that nothing stands behind the last whole line. It is not continued. */
  cut(size: number): Promise<void>
  /** Ends it, on the disk for good. */
  close(): Promise<void>
}

/** Makes a file that lines are appended to. */
export type CreateFile = (path: string) => Promise<AppendFile>

/** Makes a file on the disk, readable by its owner alone. */
export const createLogFile: CreateFile = async (path) => {
  const handle = await open(path, 'wx', 0o600)
  return {
    async append(bytes) {
      for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten
    },
    cut: (size) => handle.truncate(size),
    async close() {
      try {
        await handle.datasync()
      } finally {
        await handle.close()
      }
    },
  }
}
