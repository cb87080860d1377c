import type { JsonObject } from '@quantum-ip/base'
import { isNode } from '../lib/schema-tree.ts'
import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'

/** Keys of `replay` and of client certificates that need each other. */
export function checkReplayShape({ replay, gateway, forwardAuth }: JsonObject): ConfigFault[] {
  return [
    ...checkRedisShape(isNode(replay) ? replay['redis'] : undefined),
    ...checkClientShape(isNode(gateway) ? gateway['tls'] : undefined),
    ...checkForwardedShape('gateway', gateway),
    ...checkForwardedShape('forwardAuth', forwardAuth),
  ]
}

function checkRedisShape(redis: unknown): ConfigFault[] {
  if (!isNode(redis)) return []
  const path = ['replay', 'redis']
  const faults: ConfigFault[] = []
  if (redis['urlFile'] === undefined) {
    const next = 'write the connection URL into a file with mode 0600 and name it here'
    faults.push({ path, reason: 'lacks `urlFile`', next })
  }
  if ((redis['certificateFile'] === undefined) !== (redis['keyFile'] === undefined)) {
    faults.push({ path, reason: 'has one of `certificateFile` and `keyFile`', next: 'give both, or neither' })
  }
  return faults
}

function checkForwardedShape(point: 'gateway' | 'forwardAuth', section: unknown): ConfigFault[] {
  const certificates = isNode(section) ? section['clientCertificates'] : undefined
  if (!isNode(certificates)) return []
  const { peers } = certificates
  if (Array.isArray(peers) && peers.length > 0) return []
  return [
    {
      path: [point, 'clientCertificates'],
      reason: 'nobody is believed',
      next: 'give the addresses of your proxies in `peers`',
    },
  ]
}

function checkClientShape(tls: unknown): ConfigFault[] {
  if (!isNode(tls) || tls['clientCertificate'] !== 'required' || tls['clientCaFile'] !== undefined) return []
  return [
    {
      path: ['gateway', 'tls', 'clientCertificate'],
      reason: 'nobody says whose certificates are good',
      next: 'give `clientCaFile`',
    },
  ]
}

/** Whether what is said of one-time tokens fits together, and does something. */
export function checkReplay({ replay, gateway }: Config): ConfigFault[] {
  const faults: ConfigFault[] = []
  if (replay.scope === 'shared' && replay.redis === undefined) {
    faults.push({
      path: ['replay', 'scope'],
      reason: 'there is nothing to share',
      next: 'give `replay.redis`',
    })
  }
  if (replay.scope === 'instance' && replay.redis !== undefined) {
    const next = 'leave one of the two out'
    faults.push({ path: ['replay', 'scope'], reason: 'with `replay.redis` the scope is `shared`', next })
  }
  const named = gateway.retries.proxies.length > 0
  if (replay.retryWindowMs > 0 && !named) {
    const next = 'name the proxies that may, in `gateway.retries.proxies`'
    faults.push({ path: ['replay', 'retryWindow'], reason: 'nobody may send a request again', next })
  }
  if (named && replay.retryWindowMs === 0) {
    const next = 'say how long, in `replay.retryWindow`, such as `2s`'
    faults.push({
      path: ['gateway', 'retries', 'proxies'],
      reason: 'they may not send a request again',
      next,
    })
  }
  if (named && gateway.tls?.client === undefined) {
    const next = 'give `gateway.tls` a `clientCaFile`'
    faults.push({ path: ['gateway', 'retries', 'proxies'], reason: 'nothing says who they are', next })
  }
  return faults
}
