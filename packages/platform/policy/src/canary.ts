/**
 * Whether a canary of `percent` takes in `key`: always the same answer for one key, and a greater share
 * takes in everything that a smaller one did.
 *
 * `salt` is the policy's name, so that two policies do not try themselves on the same callers.
 */
export function inCanary(percent: number, key: string, salt: string): boolean {
  return mix(fnv1a(`${salt}\n${key}`)) % 10_000 < Math.round(percent * 100)
}

// FNV-1a over UTF-16 units. Not against an attacker: the key is a proven identity or a route's name.
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash
}

// The finaliser of MurmurHash3: FNV's low bits alone are not even over short, similar keys.
function mix(hash: number): number {
  let mixed = hash
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
