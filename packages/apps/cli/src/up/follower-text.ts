import type { FollowerEvent } from '@quantum-ip/client'

/** Tells what an operator should know of what a follower reports. */
export function tellFollower(event: FollowerEvent, tell: (text: string) => void): void {
  if ('error' in event) tell(`gateway: ${event.kind}: ${event.error.message}`)
  if (event.kind === 'mirror_used') tell(`gateway: the authority is away, trust comes from ${event.mirror}`)
}
