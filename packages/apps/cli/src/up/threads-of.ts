import { availableParallelism } from 'node:os'
import type { Config } from '@quantum-ip/http'

/** How many threads a configuration asks for on this machine. Sharing a port needs Linux or BSD. */
export function threadsOf({ gateway }: Config): number {
  const canShare = process.platform === 'linux' || process.platform.endsWith('bsd')
  if (!canShare) return 1
  return gateway.threads === 'auto' ? availableParallelism() : gateway.threads
}
