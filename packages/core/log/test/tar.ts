/** A file of a tar archive. */
export interface TarFile {
  readonly name: string
  readonly bytes: Uint8Array
}

const block = 512

/** The regular files of a tar archive of the GNU or ustar form: as much as the vectors need, and an error for anything else. */
export function parseTar(archive: Uint8Array): readonly TarFile[] {
  const files: TarFile[] = []
  let longName: string | undefined
  for (let offset = 0; offset + block <= archive.length;) {
    const header = archive.subarray(offset, offset + block)
    if (header[0] === 0) break
    if (!text(header, 257, 6).startsWith('ustar')) throw new Error('not a tar archive')
    const size = Number.parseInt(text(header, 124, 12), 8)
    const body = archive.subarray(offset + block, offset + block + size)
    const type = text(header, 156, 1)
    if (type === 'L') {
      longName = text(body, 0, size)
    } else {
      if (type === '0') files.push({ name: longName ?? text(header, 0, 100), bytes: body })
      else if (type !== '5') throw new Error(`archive has a member of type ${type}`)
      longName = undefined
    }
    offset += block + Math.ceil(size / block) * block
  }
  return files
}

/** The characters of a field, up to the first NUL. */
function text(bytes: Uint8Array, from: number, size: number): string {
  return (
    Buffer.from(bytes.subarray(from, from + size))
      .toString('latin1')
      .split('\0', 1)[0] ?? ''
  )
}
