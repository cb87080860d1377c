import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const form = /^sent\.\d{1,4}\.json$/

/**
 * How far each segment was sent, by file, out of the marks of all writers. What cannot be read was not sent: at the worst it is sent
 * twice, and known by its IDs.
 */
export async function readSentMarks(folder: string): Promise<ReadonlyMap<string, number>> {
  const marks = new Map<string, number>()
  for (const file of await readdir(folder)) {
    if (!form.test(file)) continue
    const text = await readFile(join(folder, file), 'utf8').catch(() => '{}')
    for (const [segment, sent] of Object.entries(readMarks(text)))
      if (typeof sent === 'number') marks.set(segment, Math.max(marks.get(segment) ?? 0, sent))
  }
  return marks
}

/** Writes the marks of one writer, whole or not at all. */
export async function writeSentMarks(
  folder: string,
  writer: number,
  marks: ReadonlyMap<string, number>,
): Promise<void> {
  const file = join(folder, `sent.${writer}.json`)
  await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(marks)), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

function readMarks(text: string): Record<string, unknown> {
  try {
    const marks: unknown = JSON.parse(text)
    return typeof marks === 'object' && marks !== null ? { ...marks } : {}
  } catch {
    return {}
  }
}
