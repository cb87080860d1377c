import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfigFile } from '@quantum-ip/http'
import { tracestateHint } from '@quantum-ip/token'
import { openNode, type QuantumIpNode } from '../../src/up/node.ts'

const td = 'spiffe://acme.example'

/** The one enforced service of {@link EnforcedNode}. */
export const shop = `${td}/ns/prod/sa/shop`
/** One that is declared, and observed only. */
export const pay = `${td}/ns/prod/sa/pay`
/** A request as it comes of a caller whose proxy takes the token off. */
export const stripped: RequestInit = { headers: { tracestate: `qip=${tracestateHint(shop)}` } }

/** Authority and gateway in one process, before an upstream: real ones. */
export class EnforcedNode implements AsyncDisposable {
  readonly folder: string
  readonly file: string
  readonly #stopUpstream: () => void
  #node: QuantumIpNode

  private constructor(
    folder: string,
    file: string,
    opened: { node: QuantumIpNode; stopUpstream: () => void },
  ) {
    this.folder = folder
    this.file = file
    this.#node = opened.node
    this.#stopUpstream = opened.stopUpstream
  }

  static async open(): Promise<EnforcedNode> {
    const folder = await mkdtemp(join(tmpdir(), 'qip-enforced-'))
    const upstream = createServer((_request, response) => response.end('ok'))
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.address() as AddressInfo
    const file = join(folder, 'quantum-ip.yaml')
    await writeFile(file, configOf(port))
    const node = await openNode(await readConfigFile(file), () => undefined)
    return new EnforcedNode(folder, file, { node, stopUpstream: () => upstream.close() })
  }

  get gateway(): string {
    return this.#node.gateway?.url ?? ''
  }

  get authority(): string {
    return this.#node.authority.url
  }

  async restart(): Promise<void> {
    await this.#node.close()
    this.#node = await openNode(await readConfigFile(this.file), () => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.close()
    this.#stopUpstream()
    await rm(this.folder, { recursive: true })
  }
}

function configOf(upstreamPort: number): string {
  return `trustDomain: ${td}
services:
  - { id: ${shop}, owner: team-shop, tier: critical, stage: enforced }
  - { id: ${pay}, stage: observed }
store: { sqlite: ./data }
authority: { listen: 127.0.0.1:0, socket: ./authority.sock }
gateway:
  name: edge-1
  listen: 127.0.0.1:0
  threads: 1
  routes: [{ service: ${shop}, upstream: http://127.0.0.1:${upstreamPort} }]
`
}
