import { type Clock, systemClock } from '@quantum-ip/base'
import { assembleQuantumIp, type QuantumIp, type QuantumIpParts } from '@quantum-ip/middleware/adapter'
import { createVerifier, type ReplayGuard, type Verifier, type VerifierOptions } from '@quantum-ip/verifier'
import { HeldTrust, type HeldTrustOptions } from './held-trust.ts'
import { ServerlessError } from './serverless-errors.ts'

/** What the verifier of {@link createServerlessPoint} is made of. */
export interface ServerlessVerification {
  /** Where trust comes from. */
  readonly trust: HeldTrustOptions
  /** Remembers one-time tokens for all environments of the function together. Without one, one-time tokens are refused with 503. */
  readonly replay?: ReplayGuard | undefined
  /** What else the verifier is to know. */
  readonly verification?: Partial<Omit<VerifierOptions, 'trust' | 'clock' | 'replay'>>
}

/** What {@link createServerlessPoint} is told. `verifier` is for unit tests: one of `@quantum-ip/testkit`, say, that needs no mirror. */
export type ServerlessPointOptions = Omit<QuantumIpParts, 'verifier' | 'scheme'> &
  (ServerlessVerification | { readonly verifier: Pick<Verifier, 'verify'> })

/** Verification in front of a function. Made once, when the module is loaded. */
export interface ServerlessPoint extends QuantumIp {
  /** Brings trust up to date, bounded in time: before each {@link QuantumIp.judge}. Never throws. */
  refresh(limitMs?: number): Promise<void>
}

/**
 * Verification in front of a function, held in memory over its invocations. It begins to fetch trust at once, so that this is done
 * while the platform starts the environment.
 *
 * @throws {ServerlessError} `QIP_SERVERLESS_REPLAY_LOCAL`
 */
export function createServerlessPoint(options: ServerlessPointOptions): ServerlessPoint {
  const { verifier, refresh, ...rest } =
    'trust' in options ? openVerification(options) : withoutTrust(options)
  const point = assembleQuantumIp({ point: 'function', ...rest, scheme: 'https', verifier })
  void refresh()
  return Object.assign(point, { refresh })
}

interface Opened extends Omit<QuantumIpParts, 'scheme'> {
  readonly refresh: ServerlessPoint['refresh']
}

function withoutTrust(options: Omit<QuantumIpParts, 'scheme'>): Opened {
  return { ...options, refresh: () => Promise.resolve() }
}

function openVerification(
  options: Omit<QuantumIpParts, 'verifier' | 'scheme'> & ServerlessVerification,
): Opened {
  const { trust, replay, verification, ...rest } = options
  // Memory of this process answers at once; what is shared has to be waited for.
  if (replay?.waits === false)
    throw new ServerlessError('QIP_SERVERLESS_REPLAY_LOCAL', { scope: replay.scope })
  const clock: Clock = trust.clock ?? systemClock
  let verifier: Verifier | undefined
  const held = new HeldTrust(trust, () => {
    // A head that it remembers, and that nobody can list for it any more, would look like one of a stolen key.
    verifier?.close()
    verifier = undefined
  })
  const open = (): Verifier =>
    createVerifier({
      stopwatch: () => performance.now(),
      heads: { source: held.heads },
      ...(trust.staleAfterMs !== undefined && { staleAfterMs: trust.staleAfterMs }),
      ...verification,
      trust: held.store,
      clock,
      replay,
    })
  return {
    clock,
    ...rest,
    verifier: { verify: (input) => (verifier ??= open()).verify(input) },
    refresh: (limitMs) => held.refresh(limitMs),
  }
}
