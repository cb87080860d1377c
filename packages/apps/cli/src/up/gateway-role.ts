import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import type { Admission, Session } from '@quantum-ip/client'
import { allocateLoadMemory } from '@quantum-ip/point'
import { type Config, type HealthCheck, readYaml } from '@quantum-ip/http'
import { type CompiledPolicy, compileReadPolicy, type PolicyIdentity } from '@quantum-ip/policy'
import type { TelemetryBatch } from '@quantum-ip/telemetry'
import type { RootPins } from '@quantum-ip/trust'
import { allocateReplayMemory } from '@quantum-ip/verifier'
import type { GatewayPartOptions } from './gateway-part.ts'
import { pointSocket } from '../lib/point-socket.ts'
import { openAdminServer } from './admin-server.ts'
import { openMetricsServer } from './metrics-server.ts'
import type { ProcessTelemetry } from './process-telemetry.ts'
import type { PointRole } from './point-role.ts'
import { openGatewayThreads } from './gateway-threads.ts'
import { readPolicies } from './read-policies.ts'
import { readyChecks } from './ready-checks.ts'
import { threadsOf } from './threads-of.ts'
import { openGatewayHere, type RunningGateway } from './running-gateway.ts'

/** How a gateway reaches its authority. */
export interface GatewayLink {
  readonly session: Session
  readonly pins: RootPins
  readonly authority: { readonly url: string; readonly ca: string | undefined }
  readonly readmit: (() => Promise<Admission>) | undefined
}

/** What a gateway is run with. */
export interface GatewayRoleOptions {
  /** Which point it is; `config` is that of the point. */
  readonly role: PointRole
  readonly config: Config
  readonly link: GatewayLink
  readonly telemetry: ProcessTelemetry
  readonly ownAuthority: boolean
  readonly onEvent: (text: string) => void
  /** Hears of each request that goes on; in one thread only. */
  readonly onward?: GatewayPartOptions['onward']
  /** What else must hold for it to be ready. */
  readonly alsoReady?: () => readonly HealthCheck[]
}

/** A gateway in as many threads as configured, with its operators' socket. */
export interface GatewayRole extends RunningGateway {
  /** The operators' socket. */
  readonly socket: string
}

/** Opens the gateway of a configuration. */
export async function openGatewayRole(options: GatewayRoleOptions): Promise<GatewayRole> {
  const { config, telemetry } = options
  const policies = await readPolicies(config.policies)
  const socket = pointSocket(config)
  await mkdir(dirname(socket), { recursive: true, mode: 0o700 })
  const gateway = await openThreads(options, policies)
  telemetry.onRead(() => gateway.refresh())
  try {
    const status = async (): Promise<JsonObject> => ({ threads: [...(await gateway.status())] })
    const admin = await openAdminServer({
      path: socket,
      find: (id) => gateway.find(id),
      newest: (count) => gateway.newest(count),
      unlogged: () => gateway.unlogged(),
      policy: (identity) => findPolicy(gateway, policies, identity),
      status,
      metrics: (accept) => telemetry.page(accept),
      levels: () => telemetry.levels(),
    })
    const { listen } = config.telemetry
    const collected =
      listen &&
      (await openMetricsServer({
        listen,
        metrics: (accept) => telemetry.page(accept),
        ready: async () => [...readyChecks(await status()), ...(options.alsoReady?.() ?? [])],
      }).catch(async (error: unknown) => {
        await admin.close()
        throw error
      }))
    return {
      ...gateway,
      socket,
      async close() {
        await collected?.close()
        await admin.close()
        await gateway.close()
      },
    }
  } catch (error) {
    await gateway.close()
    throw error
  }
}

/** The policy version that made a decision: of a file, or one that the authority rolled out. */
async function findPolicy(
  gateway: Pick<RunningGateway, 'policyText'>,
  files: ReadonlyMap<string, CompiledPolicy>,
  { name, version }: PolicyIdentity,
): Promise<CompiledPolicy | undefined> {
  const file = files.get(name)
  if (file?.identity.version === version) return file
  const text = await gateway.policyText(name, version)
  return text === undefined ? undefined : compileReadPolicy(readYaml(text, { source: name }))
}

async function openThreads(
  { role, config, link, telemetry, ownAuthority, onEvent, onward }: GatewayRoleOptions,
  policies: ReadonlyMap<string, CompiledPolicy>,
): Promise<RunningGateway> {
  const replayMemory = allocateReplayMemory({ bytes: config.replay.bytesMax, startedMs: Date.now() })
  const threads = threadsOf(config)
  const loadMemory = allocateLoadMemory({ threads })
  const onTelemetry = (batch: TelemetryBatch): void => telemetry.take(batch)
  const { pins } = link
  const shared = { role, config, pins, replayMemory, loadMemory, ownAuthority, onEvent, onTelemetry }
  if (threads === 1) {
    return openGatewayHere({
      ...shared,
      session: link.session,
      policies,
      metrics: telemetry.metrics,
      thread: 0,
      sharesPort: false,
      ...(onward !== undefined && { onward }),
    })
  }
  const { authority, readmit } = link
  return openGatewayThreads({ ...shared, authority, readmit, admission: link.session.admission }, threads)
}
