import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  admit,
  openSession,
  openTransport,
  requestTokens,
  type Session,
  type TokenOrder,
  type Transport,
} from '@quantum-ip/client'
import { headerNames } from '@quantum-ip/token'
import { request } from 'undici'
import { openDemoUpstream } from '../journey/demo-upstream.ts'
import { LabAuthority, type LabAuthorityOptions } from './lab-authority.ts'
import { LabGateway, type LabGatewayOptions } from './lab-gateway.ts'
import { type ProgramOptions, qipCall, runProcess } from './processes.ts'

/** The trust domain of the drills. */
export const names = {
  td: 'spiffe://gameday.example',
  shop: 'spiffe://gameday.example/ns/drill/sa/shop',
  checkout: 'spiffe://gameday.example/ns/drill/sa/checkout',
  other: 'spiffe://gameday.example/ns/drill/sa/other',
} as const

/** An answer of a gateway, or of a proxy before it. */
export interface LabAnswer {
  readonly status: number
  /** The reason that a refusal names. */
  readonly reason: string
  readonly text: string
}

/**
 * Everything that a drill starts: real processes in a folder of their own, on free ports of the loopback. It knows no other system, so
 * that a drill cannot hurt one.
 */
export class Lab implements AsyncDisposable {
  readonly folder: string
  readonly #closing: (() => unknown)[] = []
  #upstream = ''

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open({ keep = false }: { readonly keep?: boolean } = {}): Promise<Lab> {
    const lab = new Lab(await mkdtemp(join(tmpdir(), 'qip-gameday-')))
    if (!keep) lab.defer(() => rm(lab.folder, { recursive: true, force: true, maxRetries: 5 }))
    const upstream = await openDemoUpstream('shop')
    lab.defer(() => upstream.close())
    lab.#upstream = upstream.url
    return lab
  }

  /** A service behind the gateways, which answers with what they told it. */
  get upstream(): string {
    return this.#upstream
  }

  /** Done at the end, the last one first. */
  defer(close: () => unknown): void {
    this.#closing.push(close)
  }

  /** A folder of its own below that of the lab. */
  async subfolder(name: string): Promise<string> {
    const folder = join(this.folder, name)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  }

  async startAuthority(options: LabAuthorityOptions = {}): Promise<LabAuthority> {
    const authority = await LabAuthority.lay(await this.subfolder(options.name ?? 'authority'), options)
    this.defer(() => authority.process?.kill())
    await authority.start()
    return authority
  }

  async startGateway(authority: LabAuthority, options: Partial<LabGatewayOptions> = {}): Promise<LabGateway> {
    const folder = await this.subfolder(options.name ?? 'gateway')
    const gateway = await LabGateway.lay(folder, { authority, upstream: this.upstream, ...options })
    this.defer(() => gateway.process?.kill())
    await gateway.start()
    return gateway
  }

  /** Admits a workload, over the network, as workloads are. */
  async admit(
    authority: LabAuthority,
    sid: string = names.checkout,
    builds: readonly string[] = [],
  ): Promise<Session> {
    const token = await authority.joinToken(sid, 'workload', builds)
    const transport = this.transport(authority.url)
    const admission = await admit(transport, { method: 'join-token', evidence: { token } })
    const session = openSession({ transport, admission })
    this.defer(() => session.close())
    return session
  }

  transport(url: string | readonly string[]): Transport {
    const transport = openTransport({ url })
    this.defer(() => transport.close())
    return transport
  }

  /** The header fields of a request with a new token. */
  async fields(session: Session, order: Partial<TokenOrder> = {}): Promise<Readonly<Record<string, string>>> {
    const [issued] = await requestTokens(session, { audience: names.shop, ...order })
    if (issued === undefined) throw new TypeError('no token')
    return {
      [headerNames.token]: issued.token,
      ...(issued.staple !== undefined && { [headerNames.head]: issued.staple }),
    }
  }

  /** Calls the shop by a gateway, or by what stands before it. */
  async call(url: string, fields: Readonly<Record<string, string>> = {}): Promise<LabAnswer> {
    const { statusCode, body } = await request(`${url}/orders/42`, {
      headers: fields,
      reset: true,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    })
    const text = await body.text()
    return { status: statusCode, reason: /"reason":"([a-z_]+)"/.exec(text)?.[1] ?? '', text }
  }

  /** Runs `qip` as a process, and returns what it answers with `--json`. @throws {DrillFailure} */
  async qip(
    args: readonly string[],
    { codes }: Pick<ProgramOptions, 'codes'> = {},
  ): Promise<Record<string, unknown>> {
    const call = qipCall([...args, '--json'])
    const text = await runProcess(call.command, call.args, { ...(codes !== undefined && { codes }) })
    return JSON.parse(text) as Record<string, unknown>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.splice(0).toReversed()) {
      await Promise.resolve(close()).catch(() => undefined)
    }
  }
}
