import type { Session } from '@quantum-ip/client'
import { generateProofJwk, parseProofSigner, type ProofSigner } from '@quantum-ip/crypto'
import {
  CallMemory,
  type Destination,
  HeldTokens,
  openOutbound,
  openWorkloadApi,
  type OutboundOptions,
  type Relay,
  type TokenWish,
} from '@quantum-ip/enforce'
import type { Config, DestinationConfig, HealthCheck, SidecarConfig } from '@quantum-ip/http'
import { type SidecarObserver, sidecarObserver } from '@quantum-ip/telemetry'
import { readText } from '../lib/files.ts'
import { CliError } from '../cli-errors.ts'
import type { SharedParts } from './authority-part.ts'
import { type GatewayRole, openGatewayRole } from './gateway-role.ts'
import type { GatewayPart } from './gateway-part.ts'
import { type MemberLink, openMemberLink } from './member-link.ts'
import { readyChecks } from './ready-checks.ts'
import { warmUp } from './warm-up.ts'

/** What a sidecar is started with, besides its configuration. */
export interface SidecarTokens {
  /** A join token of role `workload` for the service, for the first start. */
  readonly service: string | undefined
  /** One of role `verifier` for the sidecar. */
  readonly verifier: string | undefined
}

/** A running sidecar. */
export interface SidecarPart {
  /** Where callers reach it; empty where nobody calls the service. */
  readonly url: string
  /** Where the service calls others; empty where it calls none. */
  readonly outbound: string
  /** The workload API. */
  readonly workloadSocket: string
  close(): Promise<void>
}

/**
 * Opens the sidecar of a service: `config` is that of the point (`configOf`).
 *
 * It has two sessions. Tokens are drawn by that of the service, whose build was looked at when it was admitted; the trust state is
 * followed by one of an enforcement point, as every gateway does.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export async function openSidecarPart(
  config: Config,
  joinTokens: SidecarTokens,
  shared: SharedParts,
): Promise<SidecarPart> {
  const { sidecar } = config
  const service = serviceOf(sidecar)
  await using opened = new AsyncDisposableStack()
  const own = await openServiceLink(config, service, joinTokens.service)
  opened.defer(() => own.close())
  const link = await openPointLink(config, joinTokens.verifier)
  opened.defer(() => link.close())
  const observer = sidecarObserver(shared.telemetry.metrics)
  const signer = parseProofSigner(generateProofJwk(sidecar.outbound.proofKey))
  const tokens = opened.use(heldTokens(sidecar, { session: own.session, signer, observer, ...shared }))
  const calls = new CallMemory(sidecar.calls)
  const outbound = await outboundOf(config, { name: sidecar.name, tokens, calls, signer, observer })
  opened.defer(async () => {
    await outbound?.close()
  })
  const gateway = await openGatewayRole({
    role: 'sidecar',
    config,
    link,
    ...shared,
    ownAuthority: false,
    onward: (...passed) => calls.admit(...passed),
    alsoReady: () => warmthChecks(tokens),
  })
  let gatewayClosed: Promise<void> | undefined
  const closeGateway = (): Promise<void> => (gatewayClosed ??= gateway.close())
  opened.defer(closeGateway)
  shared.telemetry.onRead(() => {
    const { named, warm } = tokens.warmth()
    observer.holds({ calls: calls.size, tokens: tokens.held, audiencesCold: named - warm })
  })
  const { verifier, follower } = partOf(gateway)
  const api = await openWorkloadApi({
    ...apiPlace(sidecar),
    service,
    trustDomain: config.trustDomain,
    point: sidecar.name,
    session: own.session,
    tokens,
    calls,
    signer,
    verifier,
    trust: follower.store,
    staleAfterMs: config.trust.staleAfterMs,
    acceptStandalone: sidecar.standalone,
    acceptJwt: config.issuance.jwt.enabled,
    ready: async () => [...readyChecks({ threads: [...(await gateway.status())] }), ...warmthChecks(tokens)],
    onReply: (...told) => observer.workload(...told),
  })
  opened.defer(async () => {
    await api.close()
  })
  opened.defer(warmUp(tokens, shared.onEvent))
  const closing = opened.move()
  return {
    url: gateway.url,
    outbound: outbound === undefined ? '' : `http://127.0.0.1:${outbound.addresses[0]?.port ?? 0}`,
    workloadSocket: sidecar.workload.socket,
    async close() {
      // Calls that are still being answered may need others: callers first, then what they need.
      await closeGateway()
      await closing.disposeAsync()
    },
  }
}

interface TokenParts extends Pick<SharedParts, 'onEvent'> {
  readonly session: Session
  readonly signer: ProofSigner
  readonly observer: SidecarObserver
}

function heldTokens(sidecar: SidecarConfig, { session, signer, observer, onEvent }: TokenParts): HeldTokens {
  const { audiencesMax, drawFirst, drawMax, lowWater } = sidecar.tokens
  return new HeldTokens({
    session,
    named: namedOf(sidecar),
    audiencesMax,
    draw: { min: drawFirst, max: drawMax, lowWater },
    signer,
    onToken: (...told) => observer.token(...told),
    onRefreshFailed: (error) => onEvent(`sidecar: tokens were not refreshed: ${reasonOf(error)}`),
  })
}

/** The outbound listener, where there is anybody to be called. */
async function outboundOf(
  { sidecar, gateway }: Config,
  parts: Pick<OutboundOptions, 'name' | 'tokens' | 'calls' | 'signer' | 'observer'>,
): Promise<Relay | undefined> {
  const { listen, destinations } = sidecar.outbound
  if (destinations.length === 0) return undefined
  const { headerBytesMax, connectionsMax, inFlightMax, connectTimeoutMs, upstreamTimeoutMs } = gateway.limits
  return openOutbound({
    ...parts,
    listen,
    limits: { headBytesMax: headerBytesMax, connectionsMax, inFlightMax },
    timeouts: {
      connectMs: connectTimeoutMs,
      responseMs: upstreamTimeoutMs,
      idleMs: gateway.limits.idleTimeoutMs,
      stopMs: gateway.limits.stopDeadlineMs,
    },
    destinations: await Promise.all(destinations.map(destinationOf)),
  })
}

async function destinationOf(given: DestinationConfig): Promise<Destination> {
  const { host, service, upstream: url, upstreamCaFile, oneTime, proof, chain } = given
  const ca =
    upstreamCaFile === undefined ? undefined : await readText({ path: upstreamCaFile, what: 'certificate' })
  return {
    host: host.replace(/:80$/, ''),
    wish: { audience: service, oneTime, isBound: proof },
    chain,
    upstream: { url, ...(ca !== undefined && { tls: { ca } }) },
  }
}

function apiPlace({ workload }: SidecarConfig) {
  const { socket: path, socketMode: mode, socketGroup: group, connectionsMax, inFlightMax } = workload
  return { path, mode, group, connectionsMax, inFlightMax }
}

function serviceOf({ service }: SidecarConfig): string {
  if (service !== undefined) return service
  throw usage('`sidecar.service` is not configured', 'write which service this is the sidecar of')
}

function openPointLink(config: Config, joinToken: string | undefined): Promise<MemberLink> {
  return openMemberLink(config, joinToken, {
    name: config.sidecar.name,
    next: 'make one with `qip join-token --role verifier`, and pass it with --verifier-token-file',
    standing: false,
  })
}

async function openServiceLink(config: Config, service: string, joinToken: string | undefined) {
  const { name } = config.sidecar
  const link = await openMemberLink(config, joinToken, {
    name: `${name}-service`,
    next: `make one with \`qip join-token ${service} --build <artifact>\`, and pass it with --join-token-file`,
    standing: true,
  })
  const { sid, role } = link.session.admission
  if (sid === service && role === 'workload') return link
  await link.close()
  throw usage(
    sid === service ? `the session is of role \`${role}\`` : `the session is one of \`${sid}\``,
    `admit \`${service}\` with role \`workload\`, or correct \`sidecar.service\``,
  )
}

function namedOf({ outbound, tokens }: SidecarConfig): readonly TokenWish[] {
  return [
    ...outbound.destinations.map(({ service, oneTime, proof }) => ({
      audience: service,
      oneTime,
      isBound: proof,
    })),
    ...tokens.warm.map((audience) => ({ audience, oneTime: false, isBound: false })),
  ]
}

function warmthChecks(tokens: HeldTokens): readonly HealthCheck[] {
  const { named, warm } = tokens.warmth()
  if (named === warm) return [{ name: 'tokens', ok: true }]
  const reason = `there is no token for ${named - warm} of ${named} named audiences`
  return [{ name: 'tokens', ok: false, reason }]
}

function partOf({ part }: GatewayRole): GatewayPart {
  if (part === undefined) throw new TypeError('a sidecar runs in one thread')
  return part
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}

function usage(reason: string, next: string): CliError {
  return new CliError('QIP_CLI_USAGE', { reason, next })
}
