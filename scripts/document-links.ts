// Where the links of the documents lead: files of this repository, and headings in them.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { read, root } from './lib-packages.ts'

/** The relative links of a document that lead to no file or to no heading of one, as they are written. */
export function brokenLinks(file: string, text: string): readonly string[] {
  const links = withoutCode(text).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)
  return [...links].map(([, link = '']) => link).filter((link) => !leadsSomewhere(file, text, link))
}

function leadsSomewhere(file: string, text: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = join(dirname(file), path)
  if (path !== '' && !existsSync(join(root, target))) return false
  if (anchor === undefined) return true
  return anchorsOf(path === '' ? text : read(target)).has(anchor)
}

/** As GitHub makes them of headings: the second of one name has `-1` behind it. */
function anchorsOf(text: string): ReadonlySet<string> {
  const times = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of withoutFences(text).matchAll(/^#{1,6}\s+(.*)$/gm)) {
    const plain = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-')
    const before = times.get(anchor) ?? 0
    times.set(anchor, before + 1)
    anchors.add(before === 0 ? anchor : `${anchor}-${before}`)
  }
  return anchors
}

function withoutFences(text: string): string {
  return text.replaceAll(/^(```+|~~~+)[\s\S]*?^\1/gm, '')
}

function withoutCode(text: string): string {
  return withoutFences(text).replaceAll(/`[^`\n]*`/g, '')
}
