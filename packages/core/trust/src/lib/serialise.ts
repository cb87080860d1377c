import { utf8 } from '@quantum-ip/base'

/**
 * JSON in one way only: members in the order in which `document` was put together, no white space, absent members left
 * out. The same document gives the same bytes on every machine.
 */
export function serialise(document: object): Uint8Array {
  return new Uint8Array(utf8(JSON.stringify(document)))
}

/** The entries of `map` in the order of their names, as members of an object. */
export function sortedObject<T>(map: ReadonlyMap<string, T>, json: (value: T) => unknown): object {
  // Without prototype, so that `__proto__` is a name like any other.
  const object = Object.create(null) as Record<string, unknown>
  for (const name of [...map.keys()].sort()) object[name] = json(map.get(name) as T)
  return object
}
