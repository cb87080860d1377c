import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { createJoinToken } from '@quantum-ip/authority'
import { admit, type Admission, openSession, openTransport } from '@quantum-ip/client'
import type { Config } from '@quantum-ip/http'
import { pinsOf } from '@quantum-ip/trust'
import { type AuthorityPart, openAuthorityPart } from './authority-part.ts'
import { type GatewayLink, type GatewayRole, openGatewayRole } from './gateway-role.ts'
import { ProcessLevels } from './process-levels.ts'
import { ProcessTelemetry } from './process-telemetry.ts'

/** Everything in one process. */
export interface QuantumIpNode {
  readonly config: Config
  readonly authority: AuthorityPart
  readonly gateway: GatewayRole | undefined
  close(): Promise<void>
}

/** Starts authority and gateway in this process. What was started is stopped again if something fails. */
export async function openNode(config: Config, tell: (text: string) => void): Promise<QuantumIpNode> {
  const telemetry = await ProcessTelemetry.open(config, 'quantum-ip')
  // Closed last: it sends what the others tell while they stop.
  const opened: { close(): Promise<unknown> }[] = [telemetry]
  const onEvent = telemetry.lines(tell)
  const close = async (): Promise<void> => {
    for (const part of opened.reverse()) await part.close()
  }
  try {
    const authority = await openAuthorityPart(config, { telemetry, onEvent })
    opened.push(authority)
    if (config.gateway.routes.length + config.gateway.flows.length === 0) {
      opened.push(await ProcessLevels.open(telemetry, config, 'authority'))
      return { config, authority, gateway: undefined, close }
    }
    const link = await linkTo(authority, config)
    opened.push(link)
    const gateway = await openGatewayRole({
      role: 'gateway',
      config,
      link,
      telemetry,
      ownAuthority: true,
      onEvent,
    })
    opened.push(gateway)
    opened.push(await ProcessLevels.open(telemetry, config, config.gateway.name))
    await readyToJudge(authority, gateway)
    return { config, authority, gateway, close }
  } catch (error) {
    await close()
    throw error
  }
}

const readyWaitMs = 5_000

/** A first fresh state sets the floors of the replay filter: until then no one-time token can be judged. */
async function readyToJudge({ authority }: AuthorityPart, gateway: GatewayRole): Promise<void> {
  await authority.publisher.publish()
  const deadline = Date.now() + readyWaitMs
  while (Date.now() < deadline) {
    const states = await gateway.status()
    if (states.every(({ ready }) => ready === true)) return
    await sleep(10)
  }
}

/** A session of this process's gateway with this process's authority. */
async function linkTo(
  part: AuthorityPart,
  config: Config,
): Promise<GatewayLink & { close(): Promise<void> }> {
  const { authority, url, certificate } = part
  const transport = openTransport({ url, ...(certificate !== undefined && { ca: certificate }) })
  const sid = `${config.trustDomain}/quantum-ip/${config.gateway.name}`
  const join = async (): Promise<Admission> => {
    const { token } = await createJoinToken(
      { sql: authority.store.sql, clock: systemClock, random: systemRandom, td: config.trustDomain },
      { sid, builds: [], role: 'verifier', ttlS: 60 },
    )
    return admit(transport, { method: 'join-token', evidence: { token } })
  }
  const session = openSession({ transport, admission: await join(), readmit: join })
  return {
    session,
    pins: pinsOf(authority.root),
    authority: { url, ca: certificate },
    readmit: join,
    async close() {
      session.close()
      await transport.close()
    },
  }
}
