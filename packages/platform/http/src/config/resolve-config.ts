import type { JsonObject } from '@quantum-ip/base'
import type {
  AdmissionConfig,
  AuthorityConfig,
  Config,
  DetectionConfig,
  GatewayConfig,
  GatewayTlsConfig,
  InstanceConfig,
  IssuanceConfig,
  KeysConfig,
  OverloadConfig,
  RetentionConfig,
  RouteConfig,
  ServiceConfig,
  StoreConfig,
  TelemetryConfig,
  TlsConfig,
  TrustConfig,
} from './config.ts'
import type { AttestationsConfig } from './config-attestations.ts'
import type { MirrorConfig } from './config-ledger.ts'
import { resolveFlow } from './resolve-flows.ts'
import { resolveDecisions } from './resolve-decisions.ts'
import { resolvePolicies } from './resolve-policies.ts'
import { resolveLedger, resolveMirrors, resolveWitnesses } from './resolve-ledger.ts'
import { resolveExtAuthz } from './resolve-ext-authz.ts'
import { resolveClientCertificates, resolveForwardAuth, resolveRouteTerms } from './resolve-forward-auth.ts'
import { resolveSidecar } from './resolve-sidecar.ts'
import { resolveOtlp } from './resolve-otlp.ts'
import { resolveClientCertificate, resolveReplay, resolveRetries } from './resolve-replay.ts'
import type { CustodyConfig, KeyServiceConfig } from './config-custody.ts'
import { Section } from './section.ts'

/** Where SQLite lives if nothing is said. */
export const sqliteDefault = './data'

/** The typed configuration of an effective one that was checked. */
export function resolveConfig(value: JsonObject, directory: string): Config {
  const root = new Section(value, directory)
  const heads = root.section('heads')
  const verifier = root.section('verifier')
  return {
    trustDomain: root.text('trustDomain'),
    region: root.text('region'),
    store: store(root.section('store'), directory),
    custody: custody(root.section('custody')),
    issuance: issuance(root.section('issuance')),
    keys: keys(root.section('keys')),
    admission: admission(root.section('admission')),
    services: root.sections('services').map(service),
    gateway: gateway(root.section('gateway')),
    forwardAuth: resolveForwardAuth(root.section('forwardAuth'), tls),
    extAuthz: resolveExtAuthz(root.section('extAuthz'), tls),
    sidecar: resolveSidecar(root.section('sidecar'), tls),
    authority: authority(root.section('authority')),
    ledger: resolveLedger(root.section('ledger')),
    mirror: mirror(root.section('mirror')),
    trust: trust(root.section('trust')),
    heads: {
      unanchored: heads.word('unanchored', 'unanchored'),
      listedWithinMs: heads.durationMs('listedWithin'),
      reportedAfterMs: heads.durationMs('reportedAfter'),
      fetchesPerSecond: heads.integer('fetchesPerSecond'),
    },
    replay: resolveReplay(root.section('replay')),
    attestations: deepChecks(root.section('attestations')),
    verifier: {
      cacheMax: verifier.integer('cacheMax'),
      pendingMax: verifier.integer('pending'),
      signaturesMax: verifier.integer('signatures'),
      signatureWaitMs: verifier.durationMs('signatureWait'),
    },
    policies: resolvePolicies(root.section('policies')),
    telemetry: telemetry(root.section('telemetry')),
    detection: detection(root.section('detection')),
    retention: retention(root.section('retention')),
  }
}

function deepChecks(at: Section): AttestationsConfig {
  const deepCheck = at.word('deepCheck', 'deepCheck')
  const sampling = at.share('sampling')
  return {
    deepCheck,
    sampling,
    perService: at.sections('perService').map((row) => ({
      service: row.text('service'),
      deepCheck: row.has('deepCheck') ? row.word('deepCheck', 'deepCheck') : deepCheck,
      sampling: row.has('sampling') ? row.share('sampling') : sampling,
    })),
    incidentSampling: at.share('incidentSampling'),
    freshForMs: at.durationMs('freshFor'),
    cacheMax: at.integer('cacheMax'),
  }
}

function instance(at: Section | undefined): InstanceConfig | undefined {
  return (
    at && {
      name: at.optionalText('name'),
      listen: at.listen('listen'),
      url: at.optionalText('url'),
      caFile: at.optionalPath('caFile'),
    }
  )
}

function store(at: Section, directory: string): StoreConfig {
  const highWaterDirectory = at.path('highWater')
  const postgres = at.optionalSection('postgres')
  if (postgres !== undefined) {
    return {
      kind: 'postgres',
      urlFile: postgres.path('urlFile'),
      connectionsMax: postgres.integer('connectionsMax'),
      requireSynchronous: postgres.flag('requireSynchronous'),
      instance: instance(postgres.optionalSection('instance')),
      directory: postgres.path('directory'),
      highWaterDirectory,
    }
  }
  const sqlite = at.optionalPath('sqlite') ?? new Section({ sqlite: sqliteDefault }, directory).path('sqlite')
  return { kind: 'sqlite', directory: sqlite, highWaterDirectory }
}

function custody(at: Section): CustodyConfig {
  const file = at.optionalPath('passphraseFile')
  const systemdCredential = at.optionalText('systemdCredential')
  const passphrase =
    file !== undefined ? { file } : systemdCredential !== undefined ? { systemdCredential } : undefined
  return { directory: at.path('directory'), passphrase, service: keyService(at) }
}

function keyService(custody: Section): KeyServiceConfig | undefined {
  const aws = custody.optionalSection('awsKms')
  if (aws !== undefined) {
    const endpoint = aws.optionalOrigin('endpoint')
    return { kind: 'aws-kms', region: aws.text('region'), endpoint, ...serviceBase(aws) }
  }
  const google = custody.optionalSection('googleKms')
  if (google !== undefined) {
    const endpoint = google.optionalOrigin('endpoint')
    const protection = google.word('protection', 'protection')
    return {
      kind: 'google-kms',
      keyRing: google.text('keyRing'),
      protection,
      endpoint,
      ...serviceBase(google),
    }
  }
  const vault = custody.optionalSection('vault')
  if (vault === undefined) return undefined
  return {
    kind: 'vault',
    url: vault.text('url').replace(/\/$/, ''),
    tokenFile: vault.path('tokenFile'),
    mount: vault.text('mount'),
    namespace: vault.optionalText('namespace'),
    caFile: vault.optionalPath('caFile'),
    ...serviceBase(vault),
  }
}

function serviceBase(at: Section): { readonly prefix: string; readonly timeoutMs: number } {
  return { prefix: at.text('prefix'), timeoutMs: at.durationMs('timeout') }
}

function issuance(at: Section): IssuanceConfig {
  const jwt = at.section('jwt')
  return {
    tokenTtlMs: at.durationMs('tokenTtl'),
    oneTimeTtlMs: at.durationMs('oneTimeTtl'),
    batchMax: at.integer('batchMax'),
    batchIntervalMs: at.durationMs('batchInterval'),
    refreshWaitMs: at.durationMs('refreshWait'),
    tokenCharsMax: at.integer('tokenCharsMax'),
    hybrid: at.flag('hybrid'),
    jwt: { enabled: jwt.flag('enabled'), algorithm: jwt.word('algorithm', 'jwtAlgorithm') },
  }
}

function keys(at: Section): KeysConfig {
  const rotation = at.section('rotation')
  const schedule = rotation.section('schedule')
  return {
    rotation: {
      threshold: rotation.share('threshold'),
      timeLimitMs: rotation.durationMs('timeLimit'),
      onTimeLimit: rotation.word('onTimeLimit', 'onTimeLimit'),
      scheduleMs: {
        'qip-token': schedule.durationMs('qip-token'),
        'qip-jwt': schedule.durationMs('qip-jwt'),
        'qip-feed': schedule.durationMs('qip-feed'),
        'qip-log': schedule.durationMs('qip-log'),
        'qip-policy': schedule.durationMs('qip-policy'),
      },
    },
  }
}

function admission(at: Section): AdmissionConfig {
  const demands = at.isList('requireAttestation')
    ? at
        .sections('requireAttestation')
        .map((row) => ({ service: row.text('service'), demand: row.word('demand', 'demand') }))
    : [{ service: '**', demand: at.word('requireAttestation', 'demand') }]
  return {
    // What no row of a list matches gets the strict answer.
    requireAttestation: at.isList('requireAttestation')
      ? [...demands, { service: '**', demand: 'on' }]
      : demands,
    sessionTtlMs: at.durationMs('sessionTtl'),
    joinTokenTtlMs: at.durationMs('joinTokenTtl'),
    builders: at.sections('builders').map((row) => ({
      id: row.text('id'),
      keyFiles: row.paths('keyFiles'),
      slsaLevel: row.integer('slsaLevel'),
    })),
    rules: at.sections('rules').map((row) => ({
      service: row.text('service'),
      builder: row.text('builder'),
      source: row.optionalText('source'),
      subject: row.optionalText('subject'),
      ref: row.optionalText('ref'),
      slsaLevel: row.integer('slsaLevel'),
    })),
  }
}

function service(at: Section): ServiceConfig {
  return {
    id: at.text('id'),
    owner: at.optionalText('owner'),
    tier: at.word('tier', 'tier'),
    stage: at.word('stage', 'stage'),
    acceptDomainAudience: at.flag('acceptDomainAudience'),
  }
}

function tls(at: Section | undefined): TlsConfig | undefined {
  if (at === undefined) return undefined
  const certificate = at.flag('selfSigned')
    ? ('self-signed' as const)
    : { certificateFile: at.path('certificateFile'), keyFile: at.path('keyFile') }
  return { certificate, keyExchange: at.word('keyExchange', 'keyExchange') }
}

function gatewayTls(at: Section | undefined): GatewayTlsConfig | undefined {
  const plain = tls(at)
  return plain && { ...plain, client: resolveClientCertificate(at) }
}

function gateway(at: Section): GatewayConfig {
  const quarantine = at.section('quarantine')
  const limits = at.section('limits')
  return {
    name: at.text('name'),
    listen: at.listen('listen'),
    tls: gatewayTls(at.optionalSection('tls')),
    threads: at.isNumber('threads') ? at.integer('threads') : 'auto',
    detail: at.word('detail', 'detail'),
    probes: at.flag('probes'),
    quarantine: { inFlightMax: quarantine.integer('inFlight') },
    overload: overload(at.section('overload')),
    limits: {
      headerBytesMax: limits.bytes('headerBytes'),
      connectionsMax: limits.integer('connections'),
      inFlightMax: limits.integer('inFlight'),
      upstreamTimeoutMs: limits.durationMs('upstreamTimeout'),
      connectTimeoutMs: limits.durationMs('connectTimeout'),
      idleTimeoutMs: limits.durationMs('idleTimeout'),
      stopDeadlineMs: limits.durationMs('stopDeadline'),
    },
    clientCertificates: resolveClientCertificates(at.optionalSection('clientCertificates')),
    proofAuthorities: at.section('proofs').optionalTexts('authorities'),
    retries: resolveRetries(at.section('retries')),
    routes: at.sections('routes').map(route),
    flows: at.sections('flows').map(resolveFlow),
  }
}

function overload(at: Section): OverloadConfig {
  return { delayTargetMs: at.durationMs('delayTarget'), windowMs: at.durationMs('window') }
}

function route(at: Section): RouteConfig {
  return {
    ...resolveRouteTerms(at),
    upstream: at.text('upstream').replace(/\/$/, ''),
    upstreamCaFile: at.optionalPath('upstreamCaFile'),
    quarantineUpstream: at.optionalOrigin('quarantineUpstream'),
  }
}

function authority(at: Section): AuthorityConfig {
  const limits = at.section('limits')
  const feed = at.section('feed')
  return {
    listen: at.listen('listen'),
    tls: tls(at.optionalSection('tls')),
    socket: at.optionalPath('socket'),
    socketMode: Number.parseInt(at.text('socketMode'), 8),
    url: at.optionalOrigin('url'),
    caFile: at.optionalPath('caFile'),
    limits: {
      connectionsMax: limits.integer('connections'),
      inFlightMax: limits.integer('inFlight'),
      requestTimeoutMs: limits.durationMs('requestTimeout'),
      stopDeadlineMs: limits.durationMs('stopDeadline'),
    },
    overload: overload(at.section('overload')),
    feed: {
      clientsMax: feed.integer('clients'),
      clientBytesMax: feed.bytes('clientBytes'),
      eventsMax: feed.integer('events'),
      keepAliveMs: feed.durationMs('keepAlive'),
    },
  }
}

function mirror(at: Section): MirrorConfig {
  return {
    directory: at.path('directory'),
    listen: at.listen('listen'),
    tls: tls(at.optionalSection('tls')),
    readersFile: at.optionalPath('readersFile'),
    checkEveryMs: at.durationMs('checkEvery'),
  }
}

function trust(at: Section): TrustConfig {
  return {
    staleAfterMs: at.durationMs('staleAfter'),
    rootThumbprints: at.texts('rootThumbprints'),
    rootThreshold: at.integer('rootThreshold'),
    clockToleranceMs: at.durationMs('clockTolerance'),
    stateIntervalMs: at.durationMs('stateInterval'),
    headIntervalMs: at.durationMs('headInterval'),
    bundleTtlMs: at.durationMs('bundleTtl'),
    snapshotDirectory: at.path('snapshot'),
    mirrors: resolveMirrors(at),
    witnesses: resolveWitnesses(at.section('witnesses')),
  }
}

function retention(at: Section): RetentionConfig {
  return {
    issuanceMs: at.durationMs('issuance'),
    logsMs: at.durationMs('logs'),
    eventsMs: at.durationMs('events'),
  }
}

function detection(at: Section): DetectionConfig {
  const keyRate = at.section('keyRate')
  return {
    onProof: at.word('onProof', 'onProof'),
    keyRate: { factor: keyRate.integer('factor'), floor: keyRate.integer('floor') },
  }
}

function telemetry(at: Section): TelemetryConfig {
  const otlp = at.optionalSection('otlp')
  return {
    metrics: at.flag('metrics'),
    seriesMax: at.integer('series'),
    listen: at.has('listen') ? at.listen('listen') : undefined,
    otlp: otlp && resolveOtlp(otlp),
    decisions: resolveDecisions(at.section('decisions')),
  }
}
