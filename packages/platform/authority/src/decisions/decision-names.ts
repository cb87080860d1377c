import { hash } from 'node:crypto'

const cache = new Map<string, number>()
const cacheMax = 20_000

/**
 * The number that stands for a name in the index of decisions: the first 52 bits of its SHA-256.
 *
 * Every writer finds it by itself, so that several may write at once. Two names with one number would be found together; by chance
 * that takes tens of millions of names, and whoever looks for such a pair can write wrong records anyway.
 */
export function numberOfName(name: string): number {
  const known = cache.get(name)
  if (known !== undefined) return known
  const digest = hash('sha256', name, 'buffer')
  const number = digest.readUIntBE(0, 6) * 16 + ((digest[6] as number) >> 4)
  if (cache.size >= cacheMax) cache.clear()
  cache.set(name, number)
  return number
}
