import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isQipError, type JsonObject } from '@quantum-ip/base'
import { requestTokens, type Session } from '@quantum-ip/client'
import { builder, openPipeline } from '../../packages/apps/cli/src/gameday/attest-build.ts'
import { Lab, names } from '../../packages/apps/cli/src/gameday/lab.ts'
import type { LabAuthority } from '../../packages/apps/cli/src/gameday/lab-authority.ts'
import { freePort, qipCall, startProcess } from '../../packages/apps/cli/src/gameday/processes.ts'
import { holdToServerCore } from './process-cpu.ts'

/** An enforcement point that a proxy asks, as a process of its own. */
export interface PointProcess {
  readonly pid: number
  readonly port: number
}

/** Where a role's section of the configuration is. */
const sections = { 'forward-auth': 'forwardAuth', 'ext-authz': 'extAuthz' } as const

const policy = `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: shop, version: 1 }
spec:
  mode: enforce
  rules:
    - name: attested-only
      when: verdict.status == "verified" && (build == null || build.slsaLevel < 3)
      action: reject
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`

/**
 * What stands behind the points of a bench, all of it as in production: an authority as a process, a build that is attested and logged, a
 * workload that was admitted with it and orders tokens over HTTP.
 */
export class PointScene implements AsyncDisposable {
  readonly #lab: Lab
  readonly #authority: LabAuthority
  readonly #session: Session
  readonly #build: string
  /** The service that tokens are for. */
  readonly service = names.shop

  private constructor(lab: Lab, authority: LabAuthority, session: Session, build: string) {
    this.#lab = lab
    this.#authority = authority
    this.#session = session
    this.#build = build
  }

  static async open(): Promise<PointScene> {
    const lab = await Lab.open()
    try {
      const rules = [{ service: `${names.td}/ns/drill/sa/*`, builder }]
      const config = { admission: { requireAttestation: 'on', rules }, services: [{ id: names.shop }] }
      const authority = await lab.startAuthority({ config })
      const build = await (await openPipeline(lab, authority))('the checkout')
      const session = await lab.admit(authority, names.checkout, [build])
      return new PointScene(lab, authority, session, build)
    } catch (error) {
      await lab[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts `qip serve` in a role, with defaults but for the policy: builds of SLSA level 3. On the servers' core. */
  async startPoint(role: keyof typeof sections): Promise<PointProcess> {
    const folder = await this.#lab.subfolder(role)
    const port = await freePort()
    const keys = ['ml-dsa-65', 'ed25519'].map((alg) =>
      join(this.#lab.folder, 'builder', `builder-${alg}.public.jwk`),
    )
    const config: JsonObject = {
      trustDomain: names.td,
      services: [{ id: names.shop }],
      authority: { url: this.#authority.url },
      trust: { rootThumbprints: await this.#authority.rootThumbprints() },
      admission: { builders: [{ id: builder, keyFiles: keys, slsaLevel: 3 }] },
      policies: { files: ['policy.yaml'] },
      // What else runs on this machine must not be taken for load: every answer counts.
      gateway: { overload: { delayTarget: '1s', window: '10s' } },
      [sections[role]]: {
        name: role,
        listen: `127.0.0.1:${port}`,
        routes: [{ service: names.shop, policy: 'shop' }],
      },
    }
    await writeFile(join(folder, 'quantum-ip.yaml'), JSON.stringify(config))
    await writeFile(join(folder, 'policy.yaml'), policy)
    const joinFile = join(folder, 'join-token')
    await writeFile(joinFile, await this.#authority.joinToken(`${names.td}/quantum-ip/${role}`, 'verifier'))
    const files = ['--config', join(folder, 'quantum-ip.yaml'), '--join-token-file', joinFile]
    const running = await startProcess({
      ...qipCall(['serve', '--role', role, ...files, '--json']),
      cwd: folder,
      isReady: (started) => started.written().includes(`"role":"${role}"`),
    })
    this.#lab.defer(() => running.stop())
    holdToServerCore(running.pid)
    // One-time tokens from before it started could have been used before: it takes none of them.
    await sleep(6_000)
    return { pid: running.pid, port }
  }

  /** Tokens of the workload, for the service; those that are good once are good for two minutes. */
  async tokens(count: number, { oneTime = false } = {}): Promise<readonly string[]> {
    const tokens: string[] = []
    while (tokens.length < count) {
      const order = { audience: this.service, build: this.#build, oneTime, ttlS: oneTime ? 120 : 3_600 }
      const next = { ...order, count: Math.min(1_000, count - tokens.length) }
      const issued = await unlessBusy(() => requestTokens(this.#session, next))
      tokens.push(...issued.map(({ token }) => token))
    }
    // Until every point holds the state that lists their heads.
    await sleep(1_500)
    return tokens
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lab[Symbol.asyncDispose]()
  }
}

// On a busy machine the authority sheds load, and says that one shall come back.
async function unlessBusy<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (!isQipError(error) || error.fault !== 'busy' || tries === 30) throw error
      await sleep(1_000)
    }
  }
}
