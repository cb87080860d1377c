import type { TrustStore } from '@quantum-ip/trust'
import { EdgeState } from '../src/index.ts'

/** The parts of what a store holds now, by name: as a folder that has just been written has them. */
export function partsOf(store: TrustStore, staleAfterMs = 300_000): Map<string, string> {
  using edge = new EdgeState({ store, generation: 'g', staleAfterMs })
  const { parts, state } = edge.changes()
  return new Map([...parts, ...(state === undefined ? [] : [['state', state] as const])])
}
