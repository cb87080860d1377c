import type { PoliciesConfig } from './config-policies.ts'
import type { ServiceId, TrustDomain } from '@quantum-ip/base'
import type { ExtAuthzConfig } from './config-ext-authz.ts'
import type { ForwardAuthConfig } from './config-forward-auth.ts'
import type { AttestationsConfig } from './config-attestations.ts'
import type { SidecarConfig } from './config-sidecar.ts'
import type { FlowConfig } from './config-flows.ts'
import type { DecisionsConfig } from './config-decisions.ts'
import type { CustodyConfig } from './config-custody.ts'
import type { ClientCertificateConfig, ReplayConfig, RetriesConfig } from './config-replay.ts'
import type { OtlpConfig } from './config-otlp.ts'
import type { LedgerConfig, MirrorConfig, MirrorsConfig, WitnessPolicyConfig } from './config-ledger.ts'

/**
 * What `quantum-ip.yaml` resolves to: every value present, durations in milliseconds, sizes in bytes,
 * shares as numbers in 0..1, paths absolute. What each key means stands in its schema, `configJsonSchema()`.
 */
export interface Config {
  readonly trustDomain: TrustDomain
  /** A label of metrics and decisions. */
  readonly region: string
  readonly store: StoreConfig
  readonly custody: CustodyConfig
  readonly issuance: IssuanceConfig
  readonly keys: KeysConfig
  readonly admission: AdmissionConfig
  readonly services: readonly ServiceConfig[]
  readonly gateway: GatewayConfig
  readonly forwardAuth: ForwardAuthConfig
  readonly extAuthz: ExtAuthzConfig
  readonly sidecar: SidecarConfig
  readonly authority: AuthorityConfig
  readonly ledger: LedgerConfig
  readonly mirror: MirrorConfig
  readonly trust: TrustConfig
  readonly heads: HeadsConfig
  readonly replay: ReplayConfig
  readonly attestations: AttestationsConfig
  readonly verifier: VerifierConfig
  readonly policies: PoliciesConfig
  readonly telemetry: TelemetryConfig
  readonly detection: DetectionConfig
  readonly retention: RetentionConfig
}

/** Where the authority keeps its ground state. */
export type StoreConfig = SqliteStoreConfig | PostgresStoreConfig

interface StoreBase {
  /** Where the highest signed position of each log is kept, outside the store, so that a restored store is noticed. */
  readonly highWaterDirectory: string
}

/** SQLite in one directory. */
export interface SqliteStoreConfig extends StoreBase {
  readonly kind: 'sqlite'
  readonly directory: string
}

/** PostgreSQL, or what speaks its protocol. */
export interface PostgresStoreConfig extends StoreBase {
  readonly kind: 'postgres'
  /** A file with the connection URL; it holds a password. */
  readonly urlFile: string
  readonly connectionsMax: number
  /** Whether a server is refused whose commits do not wait for a standby. */
  readonly requireSynchronous: boolean
  /** How it is one of several on the database; absent: it is alone. */
  readonly instance: InstanceConfig | undefined
  /** What is the process's own beside the database. */
  readonly directory: string
}

/** One of several authorities on a database. */
export interface InstanceConfig {
  /** Absent: the name of the host. */
  readonly name: string | undefined
  /** Where other instances reach it while it leads. */
  readonly listen: ListenConfig
  readonly url: string | undefined
  readonly caFile: string | undefined
}

/** How tokens are issued. */
export interface IssuanceConfig {
  readonly tokenTtlMs: number
  readonly oneTimeTtlMs: number
  readonly batchMax: number
  readonly batchIntervalMs: number
  /** How long a refresh-ahead request may wait to share a batch. */
  readonly refreshWaitMs: number
  readonly tokenCharsMax: number
  /** Whether heads carry an Ed25519 signature beside ML-DSA-44. */
  readonly hybrid: boolean
  readonly jwt: { readonly enabled: boolean; readonly algorithm: JwtAlgorithm }
}

/** The life of keys. */
export interface KeysConfig {
  readonly rotation: RotationConfig
}

/** When the next key of a use takes over. */
export interface RotationConfig {
  /** The share of the enrolled members that must have acknowledged the new key. */
  readonly threshold: number
  readonly timeLimitMs: number
  readonly onTimeLimit: 'hold' | 'rollback'
  /** How long a key of each use signs. */
  readonly scheduleMs: Readonly<
    Record<'qip-token' | 'qip-jwt' | 'qip-feed' | 'qip-log' | 'qip-policy', number>
  >
}

/** Signature algorithms of the JWT form. */
export type JwtAlgorithm = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87' | 'ML-DSA-44-Ed25519' | 'ML-DSA-65-Ed25519'

/** Whether a workload needs a good attestation of its build. */
export type AttestationDemand = 'off' | 'warn' | 'on'

/** Who is admitted as which service. */
export interface AdmissionConfig {
  /** In order; the first whose pattern matches the service ID counts. Always ends with one that matches all. */
  readonly requireAttestation: readonly { readonly service: string; readonly demand: AttestationDemand }[]
  readonly sessionTtlMs: number
  readonly joinTokenTtlMs: number
  readonly builders: readonly BuilderConfig[]
  readonly rules: readonly AdmissionRuleConfig[]
}

/** A builder is a set of keys, all of which must have signed. */
export interface BuilderConfig {
  readonly id: string
  /** Files with public JWKs. */
  readonly keyFiles: readonly string[]
  /** 0 to 3. */
  readonly slsaLevel: number
}

/** Which builder, source and subject may be which service; patterns of `parsePattern`. */
export interface AdmissionRuleConfig {
  readonly service: string
  readonly builder: string
  readonly source: string | undefined
  readonly subject: string | undefined
  readonly ref: string | undefined
  /** The least, 0 to 3. */
  readonly slsaLevel: number
}

/** A service that the trust domain knows. */
export interface ServiceConfig {
  readonly id: ServiceId
  readonly owner: string | undefined
  readonly tier: 'critical' | 'standard' | 'low'
  readonly stage: 'observed' | 'onboarding' | 'enforced'
  /** Whether a bound token for the whole trust domain is good here. */
  readonly acceptDomainAudience: boolean
}

/** An address to listen on. */
export interface ListenConfig {
  readonly host: string
  readonly port: number
}

/** TLS of a listener; absent: plain HTTP. Always TLS 1.3. */
export interface TlsConfig {
  readonly certificate: 'self-signed' | { readonly certificateFile: string; readonly keyFile: string }
  /** Whether X25519MLKEM768 is taken where the client has it, or demanded. */
  readonly keyExchange: 'preferred' | 'required'
}

/** TLS of the gateway's listener. */
export interface GatewayTlsConfig extends TlsConfig {
  /** Absent: no client is asked for one. */
  readonly client: ClientCertificateConfig | undefined
}

/** The gateway. */
export interface GatewayConfig {
  /** The name of this enforcement point, in metrics and decision IDs. */
  readonly name: string
  readonly listen: ListenConfig
  readonly tls: GatewayTlsConfig | undefined
  /** Threads on one port; `auto` is one per core. */
  readonly threads: number | 'auto'
  /** How much a refusal says to callers that are not authenticated. */
  readonly detail: 'public' | 'internal'
  /** Whether it answers the probes of `qip doctor`. */
  readonly probes: boolean
  readonly quarantine: QuarantineConfig
  readonly overload: OverloadConfig
  readonly limits: GatewayLimitsConfig
  /** How proxies in front say which certificate a client showed. */
  readonly clientCertificates: ForwardedCertificatesConfig | undefined
  /** Names that proofs of possession may be for; absent: the one in the request. */
  readonly proofAuthorities: readonly string[] | undefined
  readonly retries: RetriesConfig
  readonly routes: readonly RouteConfig[]
  readonly flows: readonly FlowConfig[]
}

/** How proxies in front say which certificate a client showed, and which proxies are believed. */
export interface ForwardedCertificatesConfig {
  readonly from: 'xfcc' | 'nginx' | 'client-cert'
  /** Addresses or CIDR blocks. */
  readonly peers: readonly string[]
}

/** What quarantined requests get, where a route has no quarantine upstream. */
export interface QuarantineConfig {
  readonly inFlightMax: number
}

/** When a server sheds requests. */
export interface OverloadConfig {
  /** How late a thread may be with its work. */
  readonly delayTargetMs: number
  /** How long it must be that late all the time. */
  readonly windowMs: number
}

/** Limits of the gateway, over all its threads together. */
export interface GatewayLimitsConfig {
  readonly headerBytesMax: number
  readonly connectionsMax: number
  readonly inFlightMax: number
  /** From the end of the request to the beginning of the response. */
  readonly upstreamTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly stopDeadlineMs: number
}

/** One route of the gateway. */
export interface RouteConfig {
  readonly match: RouteMatchConfig
  readonly service: ServiceId
  /** `http://host:port` or `https://host:port`. */
  readonly upstream: string
  readonly upstreamCaFile: string | undefined
  /** Where quarantined requests go. */
  readonly quarantineUpstream: string | undefined
  /** The name of a policy; absent: the built-in one, which rejects. */
  readonly policy: string | undefined
  readonly forwardToken: boolean
  /** Whether tokens that carry their own signatures are taken. */
  readonly standalone: boolean
  readonly exempt: readonly ExemptConfig[]
}

/** Which requests a route takes. */
export interface RouteMatchConfig {
  /** A host name in lower case, absent: any. */
  readonly host: string | undefined
  /** A prefix of the path that ends at a segment, `/` is all. */
  readonly path: string
  readonly methods: readonly string[] | undefined
}

/** Requests of a route that pass without a token. */
export interface ExemptConfig {
  /** The whole path, exactly. */
  readonly path: string
  readonly methods: readonly string[] | undefined
}

/** The authority's server. */
export interface AuthorityConfig {
  readonly listen: ListenConfig
  readonly tls: TlsConfig | undefined
  /** The Unix socket of the local admin. */
  readonly socket: string | undefined
  /** Permission bits of that socket. */
  readonly socketMode: number
  /** Where members reach the authority; absent: where it listens. */
  readonly url: string | undefined
  /** A file with PEM certificates that clients of this configuration trust for `url`. */
  readonly caFile: string | undefined
  readonly limits: AuthorityLimitsConfig
  readonly overload: OverloadConfig
  readonly feed: FeedConfig
}

/** Limits of the authority. */
export interface AuthorityLimitsConfig {
  readonly connectionsMax: number
  readonly inFlightMax: number
  readonly requestTimeoutMs: number
  readonly stopDeadlineMs: number
}

/** Limits of the feed. */
export interface FeedConfig {
  readonly clientsMax: number
  /** Unsent bytes after which a client is dropped. */
  readonly clientBytesMax: number
  /** Events kept for those who resume. */
  readonly eventsMax: number
  readonly keepAliveMs: number
}

/** What verifiers trust, and how fresh it must be. */
export interface TrustConfig {
  readonly staleAfterMs: number
  /** RFC 7638 thumbprints of the root keys; empty: those of the authority in the same process. */
  readonly rootThumbprints: readonly string[]
  /** How many of them must have signed the first root document. */
  readonly rootThreshold: number
  readonly clockToleranceMs: number
  /** How often the state is signed where nothing changes. */
  readonly stateIntervalMs: number
  /** How often it is signed while heads appear. */
  readonly headIntervalMs: number
  readonly bundleTtlMs: number
  /** Where verifiers keep what they verified. */
  readonly snapshotDirectory: string
  /** What is asked while the authority is away. */
  readonly mirrors: MirrorsConfig
  /** Who must have cosigned the log of an attestation. */
  readonly witnesses: WitnessPolicyConfig
}

/** Signed heads that no state has listed yet. */
export interface HeadsConfig {
  readonly unanchored: 'audit' | 'reject' | 'accept'
  /** How long a state may take to list a head that was relied on. */
  readonly listedWithinMs: number
  /** After which the authority is asked about one. */
  readonly reportedAfterMs: number
  readonly fetchesPerSecond: number
}

/** The verifier's memory and limits, of each thread. */
export interface VerifierConfig {
  /** Tokens of which the context-free part is remembered. */
  readonly cacheMax: number
  /** Verifications that wait for the network or a signature. */
  readonly pendingMax: number
  /** Signatures that wait to be checked. */
  readonly signaturesMax: number
  /** How long one waits. */
  readonly signatureWaitMs: number
}

/** How misuse of keys is found. */
export interface DetectionConfig {
  /** What is done on proof that a key is stolen. */
  readonly onProof: 'revoke' | 'event'
  readonly keyRate: {
    /** So many times the median of the last hour is a change. */
    readonly factor: number
    /** Signatures per minute that are never one. */
    readonly floor: number
  }
}

/** How long the authority keeps what it must be able to show later. */
export interface RetentionConfig {
  /** What each logged hash opens to, sealed; 0: not at all. */
  readonly issuanceMs: number
  /** The entries of closed token logs. */
  readonly logsMs: number
  /** Closed security events. */
  readonly eventsMs: number
}

/** What is measured and recorded. */
export interface TelemetryConfig {
  readonly metrics: boolean
  /** Time series of this process at most. */
  readonly seriesMax: number
  /** Where an enforcement point serves its metrics; `undefined`: on its operators' socket only. */
  readonly listen: { readonly host: string; readonly port: number } | undefined
  /** Absent: nothing goes to a Collector. */
  readonly otlp: OtlpConfig | undefined
  readonly decisions: DecisionsConfig
}
