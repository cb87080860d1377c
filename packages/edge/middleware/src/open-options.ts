import { nearest } from '@quantum-ip/base'
import type { FollowerEvent, TransportOptions } from '@quantum-ip/client'
import type { DecisionKeepingOptions } from '@quantum-ip/point/member'
import type { DecisionSink } from '@quantum-ip/telemetry'
import type { VerifierOptions } from '@quantum-ip/verifier'
import type { QuantumIpOptions } from './create-quantum-ip.ts'

/** The authority of a trust domain, and what it is believed by. */
export interface AuthorityPlace extends TransportOptions {
  /** What the trust domain is called: `spiffe://acme.example`. */
  readonly trustDomain: string
  /** Thumbprints of its root keys, out of `/.well-known/quantum-ip` or, better, from whoever keeps them. */
  readonly rootThumbprints: readonly string[]
  /** How many of them must have signed. Default 1. */
  readonly rootThreshold?: number
}

/** How decisions are kept: on disk, and from there at the authority. */
export interface RecordOptions {
  /** Bytes on disk, for all reasons. Default 1 GiB. */
  readonly sizeMax?: number
  /** Bytes on disk for each reason. Default 128 MiB. */
  readonly perReasonSizeMax?: number
  /** Milliseconds for which they stay on disk. Default 7 days. */
  readonly keepMs?: number
  /** What is left out of records, or hashed. */
  readonly redaction?: DecisionKeepingOptions['redaction']
  /** What is kept for the key custodian alone. */
  readonly seal?: DecisionKeepingOptions['seal']
}

/** What `openQuantumIp` is told. */
export interface OpenQuantumIpOptions extends Omit<
  QuantumIpOptions,
  'verifier' | 'decisions' | 'clock' | 'cut' | 'deferred' | 'incident' | 'watch' | 'candidate'
> {
  /** The name of this enforcement point, one of its own for each process: `shop-1`. */
  readonly point: string
  readonly authority: AuthorityPlace
  /** Keeps session, trust, policies and records over restarts; made with mode 0700. Each process has its own. */
  readonly folder: string
  /** For the first start. */
  readonly joinToken?: string | undefined
  /**
   * The name of a policy that the authority rolls out, in place of `policy`: `qip policy publish` and `promote` put versions in force here,
   * without a restart. Until the first one is there, verified callers pass and everybody else is refused; the last one is kept in the folder.
   */
  readonly rolledOutPolicy?: string
  /** How decisions are kept; `false` for not at all. Default: on disk in the folder, and at the authority, like a gateway's. */
  readonly records?: RecordOptions | false
  /** Gets the records of decisions, too. Must not block. */
  readonly decisions?: DecisionSink
  /** Share of verified and allowed requests that are recorded. Default 0.01; while an incident is open 0.1 at least. */
  readonly sampleRatio?: number
  /** Least share of deep checks before the answer while a critical security event is open. Default 0. */
  readonly incidentSampling?: number
  /** Seconds by which clocks may differ. Default 30. */
  readonly clockToleranceS?: number
  /** Memory for one-time tokens. Default 16 MB, which is some 500,000 of them. */
  readonly replayBytes?: number
  /** What else the verifier is to know; a shared replay guard, say. */
  readonly verification?: Partial<Omit<VerifierOptions, 'trust' | 'observer' | 'clock' | 'clockToleranceS'>>
  readonly onFollower?: (event: FollowerEvent) => void
  /** Told in words what an operator wants to know: a policy was taken or refused, records were not sent, an attestation did not hold. */
  readonly onEvent?: (text: string) => void
}

type Names<Options> = { readonly [name in keyof Required<Options>]: true }

const optionNames: Names<OpenQuantumIpOptions> = {
  service: true,
  point: true,
  region: true,
  policy: true,
  rolledOutPolicy: true,
  accept: true,
  deep: true,
  quarantine: true,
  quarantineInFlightMax: true,
  load: true,
  bodyBytesHeld: true,
  exactPaths: true,
  explains: true,
  clientCertificates: true,
  scheme: true,
  onError: true,
  authority: true,
  folder: true,
  joinToken: true,
  records: true,
  decisions: true,
  sampleRatio: true,
  incidentSampling: true,
  clockToleranceS: true,
  replayBytes: true,
  verification: true,
  onFollower: true,
  onEvent: true,
  proofAuthorities: true,
  engines: true,
  policyObserver: true,
  spans: true,
  sampler: true,
}

const recordNames: Names<RecordOptions> = {
  sizeMax: true,
  perReasonSizeMax: true,
  keepMs: true,
  redaction: true,
  seal: true,
}

/**
 * Options come out of files and environments, where no compiler looks: one that does nothing is an error.
 *
 * @throws {TypeError} for an option that is not known, with the nearest that is, and for two that exclude each other.
 */
export function checkOpenOptions(options: OpenQuantumIpOptions): void {
  checkNames(options, optionNames, '')
  if (typeof options.records === 'object') checkNames(options.records, recordNames, 'records.')
  if (options.policy !== undefined && options.rolledOutPolicy !== undefined) {
    throw new TypeError('`policy` and `rolledOutPolicy` are two answers to one question: leave one out')
  }
}

function checkNames(options: object, names: Readonly<Record<string, true>>, where: string): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name)) continue
    const meant = nearest(name, Object.keys(names))
    const next = meant === undefined ? '' : `; did you mean \`${where}${meant}\`?`
    throw new TypeError(`there is no option \`${where}${name}\`${next}`)
  }
}
