import { readFile } from 'node:fs/promises'
import { parseAdmissionRules } from '@quantum-ip/attestation'
import { type JsonObject, parseJson } from '@quantum-ip/base'
import {
  Authority,
  type AuthorityMeter,
  type AuthorityOptions,
  type AuthorityServer,
  type BuilderOrder,
  openAuthorityMeter,
  serveAuthority,
} from '@quantum-ip/authority'
import { parsePublicJwk } from '@quantum-ip/crypto'
import { type AuthorityConfig, type Config, createListenerTls, type Listener } from '@quantum-ip/http'
import type { SlsaLevel } from '@quantum-ip/attestation'
import { CliError } from '../cli-errors.ts'
import { readText } from '../lib/files.ts'
import { openCustody, type TellEvent } from '../lib/open-custody.ts'
import { eventText } from './event-text.ts'
import { ledgerOptions } from './ledger-options.ts'
import type { ProcessTelemetry } from './process-telemetry.ts'

/** A running authority with its server. */
export interface AuthorityPart {
  readonly authority: Authority
  readonly served: AuthorityServer
  readonly meter: AuthorityMeter
  /** Where members reach it: the TCP listener. */
  readonly url: string
  /** Its certificate, PEM, where it serves TLS. */
  readonly certificate: string | undefined
  close(): Promise<void>
}

/** What the parts of one process share. */
export interface SharedParts {
  readonly telemetry: ProcessTelemetry
  /** Events that an operator must hear of. */
  readonly onEvent: (text: string) => void
}

/** Opens the authority of a configuration and serves it. */
export async function openAuthorityPart(config: Config, shared: SharedParts): Promise<AuthorityPart> {
  const meter = openAuthorityMeter(shared.telemetry.metrics)
  const authority = await Authority.open(await authorityOptions(config, meter, shared))
  shared.telemetry.onRead(() => {
    meter.refresh(authority)
    meter.declared(authority.operations.declared.current, authority.clock.now())
  })
  try {
    const listeners = await listenersOf(config)
    const served = await serveAuthority({
      authority,
      services: config.services,
      listeners,
      limits: {
        connectionsMax: config.authority.limits.connectionsMax,
        inFlightMax: config.authority.limits.inFlightMax,
        requestTimeoutMs: config.authority.limits.requestTimeoutMs,
        stopDeadlineMs: config.authority.limits.stopDeadlineMs,
      },
      overload: config.authority.overload,
      feed: config.authority.feed,
      verifierObserver: meter.verifier,
      ...(config.telemetry.metrics && {
        metrics: (accept) => shared.telemetry.page(accept),
      }),
      levels: () => shared.telemetry.levels(),
      observer: {
        onDefect: (error, at) => shared.onEvent(`authority: defect at ${at.route} ${nameOf(error)}`),
      },
    })
    const url = served.bound.find(({ port }) => port !== 0)?.url ?? ''
    return {
      authority,
      served,
      meter,
      url,
      certificate: listeners
        .map((listener) => ('tls' in listener ? listener.tls?.certificate : undefined))
        .find(Boolean),
      async close() {
        await served.close()
        await authority.close()
      },
    }
  } catch (error) {
    await authority.close()
    throw error
  }
}

/** What the authority of a configuration is opened with. */
export async function authorityOptions(
  config: Config,
  meter: AuthorityMeter,
  shared: SharedParts,
): Promise<AuthorityOptions> {
  const { store, custody, issuance, keys, admission, trust } = config
  const tell: TellEvent = (event, detail) => shared.onEvent(eventText(event, detail))
  return {
    trustDomain: config.trustDomain,
    places: {
      folder: store.directory,
      highWaterFolder: store.highWaterDirectory,
      custodyFolder: custody.directory,
      openCustody: () => openCustody(custody, tell),
      ...(store.kind === 'postgres' && {
        postgres: {
          url: (await readText({ path: store.urlFile, what: 'connection URL' })).trim(),
          connectionsMax: store.connectionsMax,
          requireSynchronous: store.requireSynchronous,
        },
      }),
    },
    rules: parseAdmissionRules(
      admission.rules.map(({ slsaLevel, ...rule }) => ({ ...rule, slsaLevel: slsaLevel as SlsaLevel })),
    ),
    builders: await Promise.all(admission.builders.map((builder) => readBuilder(builder))),
    requireAttestation: admission.requireAttestation,
    sessionTtlS: Math.floor(admission.sessionTtlMs / 1_000),
    tokenTtlS: Math.floor(issuance.tokenTtlMs / 1_000),
    oneTimeTtlS: Math.floor(issuance.oneTimeTtlMs / 1_000),
    joinTokenTtlS: Math.floor(admission.joinTokenTtlMs / 1_000),
    tokenCharsMax: issuance.tokenCharsMax,
    patienceMs: issuance.refreshWaitMs,
    hybrid: issuance.hybrid,
    jwt: issuance.jwt.enabled,
    bundleTtlS: Math.floor(trust.bundleTtlMs / 1_000),
    keepDecisionsMs: config.telemetry.decisions.keepMs,
    batchMax: issuance.batchMax,
    batchIntervalMs: issuance.batchIntervalMs,
    keyLifeMs: keys.rotation.scheduleMs,
    rotation: keys.rotation,
    headIntervalMs: trust.headIntervalMs,
    heartbeatMs: Math.max(250, trust.stateIntervalMs - 500),
    jwtAlgorithm: issuance.jwt.algorithm,
    ledger: await ledgerOptions(config.ledger),
    onBatch: (batch) => meter.batch(batch),
    onAdjudication: (verdict) => meter.adjudication(verdict),
    onKeyUse: (use, operation) => meter.keyUse(use, operation),
    onSigned: (use, scheme, durationMs) => meter.signed(use, scheme, durationMs),
    onVerified: (durationMs) => meter.verified(durationMs),
    onSecurityEvent(event) {
      meter.securityEvent(event)
      const { number, kind, severity, subject, action } = event
      shared.telemetry.tell('security_event', { number, kind, severity, subject, action }, 'error')
      tell('security_event', { number: event.number, kind: event.kind, subject: event.subject })
    },
    onAct: ({ operator, act, detail }) =>
      shared.telemetry.tell('operator_act', { operator, act, detail: { ...detail } as JsonObject }, 'info'),
    detection: config.detection,
    keepEventsMs: config.retention.eventsMs,
    keepIssuanceMs: config.retention.issuanceMs,
    keepLogsMs: config.retention.logsMs,
    onEvent: tell,
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown'
}

async function readBuilder({
  id,
  keyFiles,
  slsaLevel,
}: Config['admission']['builders'][number]): Promise<BuilderOrder> {
  const keys = await Promise.all(
    keyFiles.map(async (path) => {
      const text = await readFile(path, 'utf8').catch((cause: unknown) => {
        throw new CliError(
          'QIP_CLI_FILE_MALFORMED',
          { path, what: 'public key', reason: 'it cannot be read' },
          { cause },
        )
      })
      return parsePublicJwk(parseJson(text))
    }),
  )
  return { id, keys, slsaLevel: slsaLevel as SlsaLevel }
}

/** Where the authority of a configuration listens. */
export async function listenersOf(config: Config): Promise<readonly Listener[]> {
  const { listen, tls, socket, socketMode }: AuthorityConfig = config.authority
  const tcp: Listener = {
    host: listen.host,
    port: listen.port,
    ...(tls !== undefined && {
      tls: await createListenerTls({
        tls,
        names: ['localhost', listen.host],
        directory: config.custody.directory,
      }),
    }),
  }
  return socket === undefined ? [tcp] : [tcp, { path: socket, mode: socketMode }]
}
