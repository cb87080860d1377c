import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { createJoinToken } from '@quantum-ip/authority'
import { admit, openSession, openTransport, type Session, type Transport } from '@quantum-ip/client'
import type { Config, Server } from '@quantum-ip/http'
import { authorityMetrics, enforcementMetrics, formatMetrics, Metrics } from '@quantum-ip/telemetry'
import { pinsOf, type RootPins } from '@quantum-ip/trust'
import { allocateReplayMemory } from '@quantum-ip/verifier'
import { openAdminServer } from './admin-server.ts'
import { type AuthorityPart, openAuthorityPart } from './authority-part.ts'
import { type GatewayPart, openGatewayPart } from './gateway-part.ts'

/** Everything in one process. */
export interface QuantumIpNode {
  readonly config: Config
  readonly authority: AuthorityPart
  readonly gateway: GatewayPart | undefined
  /** Where the gateway's operators' socket is. */
  readonly gatewaySocket: string
  close(): Promise<void>
}

/** What is told while everything starts and runs. */
export type Tell = (text: string) => void

/** The metrics of a process with authority and gateway. */
export function registerMetrics(config: Config): Metrics {
  return new Metrics({
    metrics: [...authorityMetrics, ...enforcementMetrics],
    sets: {
      service: config.services.map(({ id }) => id),
      enforcement_point: [config.gateway.name],
      region: config.region,
      policy: [...new Set(config.gateway.routes.flatMap(({ policy }) => (policy === undefined ? [] : [policy])))],
    },
  })
}

/** Starts authority and gateway in this process. What was started is stopped again if something fails. */
export async function openNode(config: Config, tell: Tell): Promise<QuantumIpNode> {
  const metrics = registerMetrics(config)
  const refreshers: (() => void)[] = []
  const metricsText = (refresh: () => void): string => {
    refresh()
    for (const each of refreshers) each()
    return formatMetrics(metrics)
  }
  const opened: { close(): Promise<unknown> }[] = []
  const closeAll = async (): Promise<void> => {
    for (const part of opened.reverse()) await part.close()
  }
  try {
    const authority = await openAuthorityPart(config, { metrics, metricsText, onEvent: tell })
    opened.push(authority)
    if (config.gateway.routes.length === 0) {
      return { config, authority, gateway: undefined, gatewaySocket: '', close: closeAll }
    }
    const link = await linkTo(authority, config)
    opened.push(link)
    const gateway = await openGatewayPart({
      config,
      session: link.session,
      pins: link.pins,
      metrics,
      replayMemory: allocateReplayMemory({ bytes: config.replay.bytesMax, startedMs: Date.now() }),
      thread: 0,
      ownAuthority: true,
      onEvent: tell,
    })
    opened.push(gateway)
    await authority.authority.publisher.publish()
    await readyToJudge(gateway)
    refreshers.push(() => gateway.refresh())
    const gatewaySocket = socketOf(config)
    const admin = await openAdmin(gateway, gatewaySocket, () => metricsText(() => undefined))
    opened.push(admin)
    return { config, authority, gateway, gatewaySocket, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

const readyWaitMs = 5_000

/** Waits until the first fresh state has set the floors of the replay filter: until then no one-time token can be judged. */
async function readyToJudge({ verifier }: GatewayPart): Promise<void> {
  const deadline = Date.now() + readyWaitMs
  while (!verifier.ready() && Date.now() < deadline) await sleep(5)
}

/** Where the operators' socket of the gateway is: beside the snapshot, under the gateway's name. */
export function socketOf(config: Config): string {
  return join(config.trust.snapshotDirectory, `${config.gateway.name}.sock`)
}

/** Opens the operators’ socket of a gateway. */
export async function openAdmin(gateway: GatewayPart, path: string, metrics: () => string): Promise<Server> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  return openAdminServer({
    path,
    find: (id) => Promise.resolve(gateway.decisions.find(id)),
    newest: (count) => Promise.resolve(gateway.decisions.newest(count)),
    policies: gateway.policies,
    status: () => ({ ...gateway.follower.status(), staleness: gateway.follower.status().staleness ?? null } as never),
    metrics,
  })
}

/** A session of this process's gateway with this process's authority. */
async function linkTo(
  { authority, url }: AuthorityPart,
  config: Config,
): Promise<{ readonly session: Session; readonly transport: Transport; readonly pins: RootPins; close(): Promise<void> }> {
  const transport = openTransport({ url: unixOr(url, config) })
  const sid = `${config.trustDomain}/quantum-ip/${config.gateway.name}`
  const join1 = async () => {
    const { token } = await createJoinToken(
      { sql: authority.store.sql, clock: systemClock, random: systemRandom, td: config.trustDomain },
      { sid, builds: [], role: 'verifier', ttlS: 60 },
    )
    return admit(transport, { method: 'join-token', evidence: { token } })
  }
  const session = openSession({ transport, admission: await join1(), readmit: join1 })
  return {
    session,
    transport,
    pins: pinsOf(authority.root),
    async close() {
      session.close()
      await transport.close()
    },
  }
}

// Within one process the Unix socket needs neither certificate nor port; but there a session is not asked for as a local admin.
function unixOr(url: string, config: Config): string {
  return config.authority.tls === undefined || config.authority.socket === undefined ? url : `unix:${config.authority.socket}`
}
