export { FallbackGuard, type FallbackGuards, type LocalGuard } from './fallback-guard.ts'
export { openRedisGuard, RedisGuard, type RedisGuardOptions, type RedisGuardStatus } from './redis-guard.ts'
export type { RedisTarget } from './redis-target.ts'
export { ReplayError, type ReplayErrorDetails } from './replay-errors.ts'
export {
  type FloorCause,
  floorCauses,
  type ReplayFault,
  type ReplayObserver,
  replayFaults,
  silentReplayObserver,
} from './replay-observer.ts'
