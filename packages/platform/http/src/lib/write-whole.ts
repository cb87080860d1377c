import { open, rename, rm } from 'node:fs/promises'

/**
 * Writes a file that is durable when this returns, and of which no reader sees half.
 *
 * A new file and a rename: the permissions of a file that is there are never inherited.
 */
export async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.${process.pid}.new`
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
}
