import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { encodeAttestationEntry, parseEvidence, verifyEvidence } from '@quantum-ip/attestation'
import { hex } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { type BundleId, bundlePath, type TileId, tilePath, verifyTileLog } from '@quantum-ip/log'
import { type Seeded, seeded } from '@quantum-ip/testing'
import { type Bundle, parseBundle, verifierKeyOf } from '@quantum-ip/trust'
import { admit, type ClientSession, post } from '../support.ts'
import { killHard, served } from '../kill/child.ts'
import { Load } from '../kill/load.ts'
import { attestationOf, builder } from './builder.ts'
import { LeadershipRow } from './leadership-row.ts'

/** What comes about at all has come about by then, on whatever machine. */
const withinMs = 60_000
const program = fileURLToPath(new URL('instance-process.ts', import.meta.url))

/** An instance in a process, and its clients. */
interface Running {
  readonly name: string
  readonly process: ChildProcess
  readonly url: string
  readonly load: Load
}

/** An attestation that was acknowledged. */
interface Attested {
  /** When it was asked for. */
  readonly askedMs: number
  readonly origin: string
  readonly index: number
  readonly evidence: string
}

/**
 * Kills instances under load, most often the one that leads, and stops some for a while. In the end every token and every attestation that
 * anybody was given is in its log, and what was signed about it holds.
 *
 * @returns what was done
 */
export async function runInstanceKills(kills: number, database: string, t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-instances-'))
  const random = seeded(process.env['QIP_SIM_SEED'] ?? Date.now())
  t.diagnostic(`seed ${random.seed}`)
  const run = new InstanceKills(folder, database, random)
  try {
    await run.start(['a', 'b', 'c'])
    for (let nth = 0; nth < kills; nth++) await run.round()
    return await run.finish()
  } finally {
    await run.close()
    await rm(folder, { recursive: true, maxRetries: 3 })
  }
}

class InstanceKills {
  readonly #folder: string
  readonly #database: string
  readonly #leadership: LeadershipRow
  readonly #random: Seeded
  readonly #running = new Map<string, Running>()
  readonly #loads: Load[] = []
  readonly #attested: Attested[] = []
  readonly #problems: string[] = []
  readonly #children: ChildProcess[] = []
  #session: ClientSession | undefined
  #attesting: Promise<void> | undefined
  #isOver = false
  #events = ''
  #leaderKills = 0
  #stops = 0
  #kills = 0
  readonly #gapsMs: number[] = []

  constructor(folder: string, database: string, random: Seeded) {
    this.#folder = folder
    this.#database = database
    this.#leadership = new LeadershipRow(database)
    this.#random = random
  }

  async start(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#spawn(name)
    this.#attesting = this.#attest()
  }

  /** Kills one, sees that the others go on, and starts it again. */
  async round(): Promise<void> {
    await pause(this.#random.integer(300, 1_200))
    if (this.#random.chance(0.4)) await this.#stopLeader()
    const leader = await this.#leadership.leader()
    const isLeader = this.#running.has(leader) && this.#random.chance(0.7)
    const victim = isLeader ? leader : this.#random.pick([...this.#running.keys()])
    const { process: child, load } = this.#running.get(victim) as Running
    this.#running.delete(victim)
    await killHard(child)
    const killedMs = performance.now()
    this.#kills += 1
    await load.stop()
    // Whom the store names now led when it was killed, and nobody takes over before this one lets go.
    const led = await this.#leadership.withoutLeader(victim, () => this.#othersIssue())
    if (!led) await this.#othersIssue()
    const fromMs = performance.now()
    await this.#until('attestations go on', () => (this.#attested.at(-1)?.askedMs ?? 0) > fromMs)
    if (led) {
      this.#leaderKills += 1
      this.#gapsMs.push(performance.now() - killedMs)
    }
    await this.#spawn(victim)
  }

  async finish(): Promise<string> {
    await pause(1_000)
    this.#isOver = true
    await this.#attesting
    for (const { load } of this.#running.values()) await load.stop()
    // A machine that has no time for its database says so; all else is refused by mistake.
    for (const load of this.#loads) load.forgive('QIP_AUTHORITY_STORE_UNAVAILABLE')
    const refusals = this.#loads.flatMap(({ refusals }) => refusals)
    assert.deepEqual(refusals, [], this.#events)
    assert.deepEqual(this.#problems, [], this.#events)
    const { url } = [...this.#running.values()][0] as Running
    const entries = await this.#verify(url)
    const tokens = this.#loads.flatMap(({ handed }) => handed).length
    const gap = Math.round(Math.max(0, ...this.#gapsMs))
    return (
      `${this.#kills} kills, ${this.#leaderKills} of a leader, ${this.#stops} leaders stopped for a while; ${tokens} tokens and ` +
      `${this.#attested.length} attestations acknowledged, all provable; ${entries} entries in all logs; ` +
      `longest time from a leader's death to the next attestation ${gap} ms`
    )
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#attesting?.catch(() => undefined)
    for (const { load } of this.#running.values()) void load.stop()
    for (const child of this.#children) await killHard(child)
    await this.#leadership.close()
  }

  async #spawn(name: string): Promise<void> {
    const args = ['--conditions=quantum-ip-source', program, this.#folder, name, this.#database]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#children.push(child)
    child.stderr.on('data', (chunk: Buffer) => (this.#events += chunk.toString()))
    const { url, joinToken } = await served(child)
    this.#session ??= await admit(url, joinToken)
    const load = new Load()
    this.#loads.push(load)
    this.#running.set(name, { name, process: child, url, load })
    load.start(url, this.#session, this.#random)
  }

  /** Stops the leader until another one leads, and lets it go on: it does not know that it leads no more. */
  async #stopLeader(): Promise<void> {
    const leader = await this.#leadership.leader()
    const stopped = this.#running.get(leader)?.process
    stopped?.kill('SIGSTOP')
    await this.#until('another one leads', async () => (await this.#leadership.leader()) !== leader)
    stopped?.kill('SIGCONT')
    this.#stops += 1
  }

  /** Each of those that run answers an order that comes now. */
  async #othersIssue(): Promise<void> {
    const asked = [...this.#running.values()].map(async ({ name, url, load }) => {
      let isDone = false
      await this.#until(`\`${name}\` issues`, async () => {
        isDone ||= await load.drawOne(url, this.#session as ClientSession)
        return isDone
      })
    })
    await Promise.all(asked)
  }

  async #attest(): Promise<void> {
    for (let nth = 0; !this.#isOver; nth++) {
      const build = createHash('sha256').update(`${this.#random.seed} ${nth}`).digest('hex')
      const envelope = await attestationOf(build)
      const { url } = this.#random.pick([...this.#running.values()])
      const askedMs = performance.now()
      try {
        const answer = await post(url, '/v1/attestations', { body: { envelope } })
        if (answer.status === 200) this.#attested.push({ ...(answer.body as unknown as Attested), askedMs })
        else if (answer.status !== 503) this.#problems.push(answer.text)
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
      }
      await pause(30)
    }
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    while (!(await isSo())) {
      assert.ok(performance.now() < deadlineMs, `it never came about that ${what}\n${this.#events}`)
      await pause(10)
    }
  }

  /** Every log whole, every token and attestation in its place. */
  async #verify(url: string): Promise<number> {
    const tokens = this.#loads.flatMap(({ handed }) => handed)
    for (let attempt = 1; ; attempt++) {
      const bundle = parseBundle(parseEnvelope(await text(`${url}/v1/bundle`)).payload)
      const found = await readLogs(url, bundle)
      const lost = tokens.filter(
        ({ origin, index, digest }) => !found.get(`${origin}/${index}`)?.endsWith(digest),
      )
      // What was issued a moment ago is shown once a state has listed it.
      if (lost.length > 0 && attempt < 60) {
        await pause(1_000)
        continue
      }
      assert.deepEqual(lost.slice(0, 3), [], `${lost.length} tokens are lost\n${this.#events}`)
      const heads = new Set(tokens.map(({ head }) => head))
      for (const head of heads) await (await get(`${url}/v1/heads/${head}`, [404, 503])).arrayBuffer()
      for (const { evidence } of this.#attested) await checkEvidence(evidence, bundle, found)
      return found.size
    }
  }
}

async function checkEvidence(
  text: string,
  bundle: Bundle,
  found: ReadonlyMap<string, string>,
): Promise<void> {
  const evidence = parseEvidence(text)
  const { origin, index, entry } = evidence.receipt
  const logKeys = bundle.keys.flatMap((record) =>
    record.use === 'qip-log' && record.log === origin ? [verifierKeyOf(record)] : [],
  )
  await verifyEvidence({
    evidence,
    logKeys,
    builders: [{ id: builder.id, keySets: [builder.keys], slsaLevel: 3 }],
  })
  assert.equal(
    found.get(`${origin}/${index}`),
    hex(encodeAttestationEntry(entry)),
    `attestation ${origin}/${index}`,
  )
}

/** All entries, by their place, in hexadecimal. */
async function readLogs(url: string, bundle: Bundle): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const origins = new Set(
    bundle.keys.flatMap((record) =>
      (record.use === 'qip-token' || record.use === 'qip-log') && record.state !== 'published'
        ? [record.log ?? '']
        : [],
    ),
  )
  for (const origin of origins) {
    // An attestation log has had several keys, one after the other.
    const vkeys = bundle.keys.flatMap((record) =>
      (record.use === 'qip-token' || record.use === 'qip-log') && record.log === origin
        ? [verifierKeyOf(record)]
        : [],
    )
    const at = `${url}/logs/${origin.slice(origin.indexOf('/') + 1)}`
    await verifyTileLog({
      vkeys,
      origin,
      readCheckpoint: () => text(`${at}/checkpoint`),
      readTile: (tile: TileId) => bytes(`${at}/${tilePath(tile)}`),
      readEntries: (id: BundleId) => bytes(`${at}/${bundlePath(id)}`),
      onEntry: (index, entry) => void found.set(`${origin}/${index}`, hex(entry)),
    })
  }
  return found
}

/** What is the leader's is asked for again while nobody leads; and a head, until the leader has listed it. */
async function get(url: string, passing: readonly number[] = [503]): Promise<Response> {
  const deadlineMs = performance.now() + withinMs
  let response = await fetch(url)
  while (passing.includes(response.status) && performance.now() < deadlineMs) {
    await response.arrayBuffer()
    await pause(100)
    response = await fetch(url)
  }
  assert.equal(response.status, 200, `${url}: ${response.status} ${await response.clone().text()}`)
  return response
}

async function text(url: string): Promise<string> {
  return (await get(url)).text()
}

async function bytes(url: string): Promise<Uint8Array> {
  return new Uint8Array(await (await get(url)).arrayBuffer())
}
