import type { Clock, Random, TrustDomain } from '@quantum-ip/base'
import { Issuer, type IssuedTokens } from '../issuance/issuer.ts'
import type { TokenLog } from '../issuance/token-log.ts'
import type { TokenOrder } from '../issuance/token-order.ts'
import type { Publisher } from '../state/publisher.ts'
import type { HighWater } from '../store/high-water.ts'
import type { Probe, Rotation } from './rotation.ts'
import { probeIdOf } from './rotation-gate.ts'

/** What probes are issued with. */
export interface ProbeOptions {
  readonly td: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly publisher: Pick<Publisher, 'addHeads'> & { publish(): Promise<unknown> }
  readonly highWater: HighWater
  /** Who issues now. */
  readonly issuer: Issuer
  /** Opens the token log of a key that does not issue yet, and lists it from now on. */
  readonly openLog: (kid: string) => Promise<TokenLog | undefined>
}

const ttlS = 300

/** The service that probes are from and for: nobody's, so that a probe opens nothing. */
export function probeService(td: TrustDomain): string {
  return `${td}/quantum-ip/probe`
}

/**
 * Issues a token under the new key of a rotation, and publishes the state that lists its head. A key that does not issue yet gets the
 * first entry of its log; nobody else writes there before the key is active, which is a later step of the same queue.
 *
 * @returns `undefined` if the log of the key takes nothing
 */
export async function issueProbe(options: ProbeOptions, rotation: Rotation): Promise<Probe | undefined> {
  const { issuer, publisher } = options
  const isIssuing = issuer.log.kid === rotation.to
  const issued = isIssuing
    ? await issuer.issue(probeOrder(options.td))
    : await issueAhead(options, rotation.to)
  if (issued === undefined) return undefined
  await publisher.publish()
  const token = issued.tokens[0] ?? ''
  return {
    id: probeIdOf(rotation),
    token,
    expiresS: issued.expiresS,
  }
}

async function issueAhead(options: ProbeOptions, kid: string): Promise<IssuedTokens | undefined> {
  const { clock, random, publisher, highWater, td } = options
  const log = await options.openLog(kid)
  if (log === undefined) return undefined
  const issuer = new Issuer(log, {
    clock,
    random,
    publisher,
    highWater,
    jwtSigner: notAsked,
    refer: notAsked,
    admits: () => true,
    batchIntervalMs: 0,
  })
  try {
    return await issuer.issue(probeOrder(td))
  } finally {
    await issuer.close()
  }
}

function notAsked(): Promise<never> {
  return Promise.reject(new TypeError('a probe is no JWT and no reference'))
}

function probeOrder(td: TrustDomain): TokenOrder {
  const sid = probeService(td)
  return {
    session: {
      id: 'probe',
      sid,
      role: 'workload',
      builds: [],
      method: 'probe',
      admittedMs: 0,
      expiresS: 0,
      key: new Uint8Array(32),
    },
    audience: [sid],
    count: 1,
    ttlS,
    oneTime: false,
    form: 'compact',
    build: undefined,
    confirmation: undefined,
    requestBinding: undefined,
    chain: [],
    notAfterS: undefined,
    patient: false,
  }
}
