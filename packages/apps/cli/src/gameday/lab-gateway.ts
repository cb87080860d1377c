import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import { openTransport, requestJson, type Transport } from '@quantum-ip/client'
import type { LabAuthority } from './lab-authority.ts'
import { sumMetric } from './lab-authority.ts'
import { freePort, qipCall, type RunningProcess, startProcess } from './processes.ts'

/** How a gateway is started. */
export interface LabGatewayOptions {
  readonly name?: string
  readonly authority: LabAuthority
  readonly upstream: string
  /** Where it finds the authority, where that is not straight on. */
  readonly authorityUrl?: string
  /** Members of `quantum-ip.yaml`. */
  readonly config?: JsonObject
  /** The text of its policy; absent: the built-in one, which rejects. */
  readonly policy?: string
  readonly env?: Readonly<Record<string, string>>
}

const shop = 'spiffe://gameday.example/ns/drill/sa/shop'

/** A gateway as a process of its own, admitted by its authority over the network. */
export class LabGateway {
  readonly name: string
  readonly folder: string
  readonly url: string
  process: RunningProcess | undefined
  readonly #options: LabGatewayOptions
  readonly #admin: Transport

  private constructor(folder: string, port: number, options: LabGatewayOptions) {
    this.name = options.name ?? 'gateway'
    this.folder = folder
    this.url = `http://127.0.0.1:${port}`
    this.#options = options
    this.#admin = openTransport({
      url: `unix:${join(folder, 'snapshot', `${this.name}.sock`)}`,
      attemptsMax: 1,
    })
  }

  /** Writes its configuration and fetches its join token. */
  static async lay(folder: string, options: LabGatewayOptions): Promise<LabGateway> {
    const { authority, upstream, authorityUrl = authority.url, config = {} } = options
    const port = await freePort()
    const gateway = new LabGateway(folder, port, options)
    const {
      gateway: own = {},
      trust = {},
      ...rest
    } = config as {
      readonly gateway?: JsonObject
      readonly trust?: JsonObject
    }
    const route = { service: shop, upstream, ...(options.policy !== undefined && { policy: 'default' }) }
    const whole = {
      trustDomain: 'spiffe://gameday.example',
      services: [{ id: shop, tier: 'critical', stage: 'enforced' }],
      telemetry: { decisions: { verifiedShare: '100%' } },
      ...(options.policy !== undefined && { policies: { files: ['policy.yaml'] } }),
      ...rest,
      authority: { url: authorityUrl },
      trust: { rootThumbprints: await authority.rootThumbprints(), ...trust },
      gateway: {
        name: gateway.name,
        listen: `127.0.0.1:${port}`,
        detail: 'internal',
        routes: [route],
        ...own,
      },
    }
    await writeFile(join(folder, 'quantum-ip.yaml'), JSON.stringify(whole))
    if (options.policy !== undefined) await gateway.writePolicy(options.policy)
    const sid = `spiffe://gameday.example/quantum-ip/${gateway.name}`
    await writeFile(join(folder, 'join-token'), await authority.joinToken(sid, 'verifier'), { mode: 0o600 })
    return gateway
  }

  writePolicy(text: string): Promise<void> {
    return writeFile(join(this.folder, 'policy.yaml'), text)
  }

  /** Starts it, and waits until it judges. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await rm(join(this.folder, 'snapshot', `${this.name}.sock`), { force: true })
    const files = ['--config', join(this.folder, 'quantum-ip.yaml')]
    const join_ = ['--join-token-file', join(this.folder, 'join-token')]
    const call = qipCall(['serve', '--role', 'gateway', ...files, ...join_, '--json'])
    this.process = await startProcess({
      ...call,
      env: { ...this.#options.env, ...env },
      isReady: (process) => process.written().includes('"role":"gateway"'),
    })
  }

  async stop(): Promise<void> {
    await this.process?.stop()
  }

  async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop()
    await this.start(env)
  }

  /** What the first thread holds of the trust state. */
  async status(): Promise<JsonObject> {
    const { threads } = (await this.#get('/v1/status')) as { readonly threads?: readonly JsonObject[] }
    return threads?.[0] ?? {}
  }

  /** Its newest decisions. */
  async decisions(): Promise<readonly JsonObject[]> {
    const { decisions } = (await this.#get('/v1/decisions')) as { readonly decisions?: readonly JsonObject[] }
    return decisions ?? []
  }

  /** A metric, summed over its labels that contain `having`. */
  async metric(name: string, having = ''): Promise<number> {
    const { body } = await this.#admin.request({ operation: 'metrics', method: 'GET', target: '/metrics' })
    return sumMetric(Buffer.from(body).toString(), name, having)
  }

  async #get(target: string): Promise<JsonObject> {
    return (await requestJson(this.#admin, { operation: target, method: 'GET', target })) as JsonObject
  }
}
