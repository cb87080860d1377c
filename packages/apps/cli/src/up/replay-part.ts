import type { JsonObject } from '@quantum-ip/base'
import type { ReplayRedisConfig } from '@quantum-ip/http'
import { FallbackGuard, openRedisGuard, type RedisGuard } from '@quantum-ip/replay'
import { replayStoreObserver } from '@quantum-ip/telemetry'
import { ReplayFilter, type ReplayGuard } from '@quantum-ip/verifier'
import { readText } from '../lib/files.ts'
import type { GatewayPartOptions } from './gateway-part.ts'

/** What remembers one-time tokens for one thread of a gateway. */
export interface ReplayPart {
  readonly guard: ReplayGuard
  /** What `/readyz` and `qip` show of it. */
  status(): JsonObject
  /** Sets the gauges to what is true now. */
  refresh(): void
  close(): void
}

/** What {@link openReplayPart} needs. */
export type ReplayPartOptions = Pick<
  GatewayPartOptions,
  'config' | 'metrics' | 'replayMemory' | 'ownAuthority' | 'onEvent'
>

/**
 * Opens what remembers one-time tokens, as configured: the memory that the threads of this process share, a Redis that all instances
 * share, or that with this to go on with.
 *
 * @throws {ReplayError} for a Redis that is not fit; see `openRedisGuard`.
 */
export async function openReplayPart(options: ReplayPartOptions): Promise<ReplayPart> {
  const { config, metrics, replayMemory, ownAuthority } = options
  const { scope, retryWindowMs, redis } = config.replay
  const filter = new ReplayFilter(replayMemory, {
    scope: scope === 'instance' ? 'instance' : 'shared',
    retryWindowMs,
    ...(ownAuthority && { floorSkewMs: 0 }),
  })
  const entries = (): void => metrics.gauge('replay_filter_entries').set(0, filter.stats().tokens)
  if (redis === undefined) {
    return {
      guard: filter,
      status: () => ({ scope, ready: filter.ready() }),
      refresh: entries,
      close: () => undefined,
    }
  }
  const shared = await openShared(options, redis)
  const ready = metrics.gauge('replay_store_ready')
  const isLocal = redis.onUnavailable === 'local'
  const guard = isLocal ? new FallbackGuard({ shared, local: filter }) : shared
  return {
    guard,
    status: () => ({
      scope,
      ready: guard.ready(),
      redis: { ...readiness(shared), onUnavailable: redis.onUnavailable },
    }),
    refresh() {
      ready.set(0, shared.ready() ? 1 : 0)
      entries()
    },
    close: () => shared.close(),
  }
}

function readiness(shared: RedisGuard): JsonObject {
  const { ready, fault } = shared.status()
  return { ready, fault: fault ?? null }
}

function pem(path: string | undefined): Promise<string> | undefined {
  return path === undefined ? undefined : readText({ path, what: 'certificate' })
}

async function openShared(options: ReplayPartOptions, redis: ReplayRedisConfig): Promise<RedisGuard> {
  const { config, metrics, ownAuthority, onEvent } = options
  return openRedisGuard({
    redis: {
      urls: await readText({ path: redis.urlFile, what: 'address of the replay store' }),
      ...(redis.cluster && { cluster: true }),
      ca: await pem(redis.caFile),
      certificate: await pem(redis.certificateFile),
      key: await pem(redis.keyFile),
    },
    timeoutMs: redis.timeoutMs,
    retryWindowMs: config.replay.retryWindowMs,
    marginMs: redis.failoverMarginMs,
    ...(ownAuthority && { floorSkewMs: 0 }),
    observer: { ...replayStoreObserver(metrics), event: onEvent },
  })
}
