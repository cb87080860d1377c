import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openTransport, requestJson, type Transport } from '@quantum-ip/client'
import type { Json, JsonObject } from '@quantum-ip/base'
import { freePort, qipCall, type RunningProcess, startProcess } from './processes.ts'

/** What differs from an authority with defaults. */
export interface LabAuthorityOptions {
  readonly name?: string
  /** Members of `quantum-ip.yaml`. */
  readonly config?: JsonObject
  /** In front of the command, as `faketime`. */
  readonly env?: Readonly<Record<string, string>>
}

const td = 'spiffe://gameday.example'

/** An authority as a process of its own, which is asked as an operator asks one. */
export class LabAuthority {
  readonly folder: string
  readonly url: string
  readonly port: number
  readonly configFile: string
  readonly socket: string
  process: RunningProcess | undefined
  readonly #env: Readonly<Record<string, string>>
  readonly #admin: Transport

  private constructor(folder: string, port: number, env: Readonly<Record<string, string>>) {
    this.folder = folder
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.configFile = join(folder, 'quantum-ip.yaml')
    this.socket = join(folder, 'authority.sock')
    this.#env = env
    this.#admin = openTransport({ url: `unix:${this.socket}`, attemptsMax: 1 })
  }

  /** Writes the configuration. */
  static async lay(folder: string, options: LabAuthorityOptions): Promise<LabAuthority> {
    const { config = {}, env = {} } = options
    const port = await freePort()
    const authority = new LabAuthority(folder, port, env)
    const { authority: own = {}, ...rest } = config as { readonly authority?: JsonObject }
    const whole = {
      trustDomain: td,
      admission: {
        requireAttestation: 'off',
        rules: [{ service: `${td}/ns/drill/sa/*`, builder: 'https://ci.gameday.example/*' }],
      },
      ...rest,
      authority: { listen: `127.0.0.1:${port}`, ...own },
    }
    // JSON is YAML.
    await writeFile(authority.configFile, JSON.stringify(whole))
    return authority
  }

  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await rm(this.socket, { force: true })
    const call = qipCall(['serve', '--role', 'authority', '--config', this.configFile, '--json'])
    this.process = await startProcess({
      ...call,
      env: { ...this.#env, ...env },
      isReady: (process) => process.written().includes('"role":"authority"'),
    })
  }

  async stop(): Promise<void> {
    await this.process?.stop()
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    await this.process?.kill()
  }

  /** An answer to an operator on this machine. */
  async get(target: string): Promise<JsonObject> {
    return asObject(await requestJson(this.#admin, { operation: target, method: 'GET', target }))
  }

  async post(target: string, json: JsonObject): Promise<JsonObject> {
    return asObject(await requestJson(this.#admin, { operation: target, method: 'POST', target, json }))
  }

  async joinToken(
    sid: string,
    role: 'workload' | 'verifier',
    builds: readonly string[] = [],
  ): Promise<string> {
    const { token } = await this.post('/v1/join-tokens', { sid, role, builds: [...builds], ttl: 600 })
    return token as string
  }

  /** Thumbprints of its root keys, which an operator would read to the other side. */
  async rootThumbprints(): Promise<Json> {
    const { rootThumbprints = [] } = await this.get('/.well-known/quantum-ip')
    return rootThumbprints
  }

  /** Decisions that enforcement points have reported with this reason. */
  async reported(reason: string): Promise<readonly JsonObject[]> {
    const { decisions = [] } = await this.get(`/v1/decisions?reason=${reason}&limit=1000`)
    return decisions as unknown as readonly JsonObject[]
  }

  /** A metric of `/metrics`, summed over its labels that contain `having`. */
  async metric(name: string, having = ''): Promise<number> {
    const response = await fetch(`${this.url}/metrics`)
    return sumMetric(await response.text(), name, having)
  }
}

/** The sum of a metric over all lines whose labels contain `having`. */
export function sumMetric(text: string, name: string, having: string): number {
  let sum = 0
  for (const line of text.split('\n')) {
    if (!line.startsWith(`quantum_ip_${name}`) || !line.includes(having)) continue
    const after = line.charAt(`quantum_ip_${name}`.length)
    if (after === '{' || after === ' ') sum += Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return sum
}

function asObject(json: Json | undefined): JsonObject {
  return json as JsonObject
}
