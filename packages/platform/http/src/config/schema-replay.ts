import type { TSchema } from 'typebox'
import { choice, duration, flag, optionalSection, path, section, size } from './fields.ts'
import { words } from './words.ts'

/** One-time tokens. */
export const replay: TSchema = section('one-time tokens', {
  scope: choice(words.scope, {
    description:
      'single: this is the only instance for its services; instance: there are several, and each counts for itself; shared: they count together, in replay.redis',
    default: 'single',
  }),
  memory: size({
    description: "of this instance's replay filter",
    default: '256MiB',
    min: '1MiB',
    max: '64GiB',
  }),
  retryWindow: duration({
    description: 'how long the proxies of gateway.retries may send the same request again; 0s: never',
    default: '0s',
    max: '1m',
  }),
  redis: optionalSection(
    'the Redis (7.0 or later, or Valkey) in which the instances of a service count together',
    {
      urlFile: path({
        description:
          'a file with the URL, `redis://user:password@host:6379` or `rediss://…`; of a cluster some nodes, one on each line',
      }),
      cluster: flag({ description: 'Redis Cluster; several URLs always mean one', default: false }),
      caFile: path({ description: 'PEM certificates that it must chain to; absent: those of the system' }),
      certificateFile: path({ description: 'PEM certificate chain that the gateway shows' }),
      keyFile: path({ description: 'PEM private key of it' }),
      timeout: duration({
        description: 'for one check; after it the token counts as used',
        default: '50ms',
        min: '1ms',
        max: '5s',
      }),
      onUnavailable: choice(words.onUnavailable, {
        description:
          'while Redis is away: reject refuses one-time tokens as replay_unavailable; local fails open to what this instance remembers itself',
        default: 'reject',
      }),
      failoverMargin: duration({
        description:
          'how long a deposed primary may still answer others; tokens issued before the end of it are refused',
        default: '30s',
        max: '1h',
      }),
    },
  ),
})
