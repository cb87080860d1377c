import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { hex } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { type BundleId, bundlePath, type TileId, tilePath, verifyTileLog } from '@quantum-ip/log'
import { parseStaple } from '@quantum-ip/token'
import { type Seeded, seeded } from '@quantum-ip/testing'
import { parseBundle, parseState, verifierKeyOf } from '@quantum-ip/trust'
import { admit } from '../support.ts'
import { type AuthorityChild, killHard, served, spawnAuthority } from './child.ts'
import { Load } from './load.ts'

/**
 * Kills an authority under load as often as asked, at random moments, also while it starts. After each start the whole log is
 * verified over HTTP, and every token that was handed out before is in it, once, under a head that can still be fetched.
 */
export async function runKills(kills: number, t: TestContext, database?: KillDatabase): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-kill-'))
  const random = seeded(process.env['QIP_SIM_SEED'] ?? Date.now())
  t.diagnostic(`seed ${random.seed}`)
  const run = new KillRun(folder, random, database)
  try {
    for (let nth = 0; nth < kills; nth++) await run.round()
    t.diagnostic(await run.finish())
  } finally {
    await run.close()
    await rm(folder, { recursive: true, maxRetries: 3 })
  }
}

/** A database server that is killed, too. */
export interface KillDatabase {
  readonly url: string
  kill(): Promise<void>
  start(): Promise<void>
}

class KillRun {
  readonly #folder: string
  readonly #database: KillDatabase | undefined
  readonly #random: Seeded
  readonly #load = new Load()
  #child: ReturnType<typeof spawnAuthority> | undefined
  #session: Awaited<ReturnType<typeof admit>> | undefined
  #checkedHeads = 0
  #seq = 0
  #kills = 0
  #early = 0
  #crashes = 0
  #entries = 0
  #spare = 0

  constructor(folder: string, random: Seeded, database: KillDatabase | undefined) {
    this.#folder = folder
    this.#database = database
    this.#random = random
  }

  /** Starts, verifies all, works for a while, and dies. */
  async round(): Promise<void> {
    if (this.#random.chance(0.2)) await this.#dieEarly()
    const authority = await this.#start()
    await this.#verify(authority)
    this.#session ??= await admit(authority.url, authority.joinToken)
    this.#load.start(authority.url, this.#session, this.#random)
    await pause(this.#random.integer(50, 900))
    if (this.#random.chance(0.5)) await this.#crashDatabase()
    await this.#kill()
    await this.#load.stop()
  }

  /** The database crashes under load, and comes back: requests are refused meanwhile, and then served again. */
  async #crashDatabase(): Promise<void> {
    if (this.#database === undefined) return
    this.#crashes += 1
    await this.#database.kill()
    await pause(this.#random.integer(0, 500))
    await this.#database.start()
    this.#load.forgive('QIP_AUTHORITY_STORE_UNAVAILABLE', 'QIP_LOG_')
    const served = this.#load.handed.length
    for (let waits = 0; this.#load.handed.length === served; waits++) {
      assert.ok(waits < 100, 'nothing is served after the database came back')
      await pause(100)
    }
    this.#load.forgive('QIP_AUTHORITY_STORE_UNAVAILABLE', 'QIP_LOG_')
  }

  /** Starts a last time. @returns what was done */
  async finish(): Promise<string> {
    await this.#verify(await this.#start())
    const { handed, refusals } = this.#load
    assert.deepEqual(refusals, [])
    assert.ok(handed.length > this.#kills * 10, `only ${handed.length} tokens were handed out`)
    return (
      `${this.#kills} kills, ${this.#early} of them while starting; ${this.#crashes} crashes of the database; ${handed.length} tokens handed out, all provable; ` +
      `${this.#entries} entries in the log, ${this.#spare} of requests that were never answered`
    )
  }

  async close(): Promise<void> {
    if (this.#child !== undefined) await killHard(this.#child)
  }

  async #start(): Promise<AuthorityChild> {
    this.#child = spawnAuthority(this.#folder, this.#database?.url)
    return served(this.#child)
  }

  async #dieEarly(): Promise<void> {
    this.#child = spawnAuthority(this.#folder, this.#database?.url)
    await pause(this.#random.integer(200, 700))
    this.#early += 1
    await this.#kill()
  }

  async #kill(): Promise<void> {
    assert.ok(this.#child)
    this.#kills += 1
    await killHard(this.#child)
  }

  async #verify({ url }: AuthorityChild): Promise<void> {
    const state = parseState(parseEnvelope(await text(`${url}/v1/state`)).payload)
    assert.ok(state.seq > this.#seq, 'states went back')
    this.#seq = state.seq
    const bundle = parseBundle(parseEnvelope(await text(`${url}/v1/bundle`)).payload)
    const issuing = bundle.keys.filter(({ use }) => use === 'qip-token')
    const places = new Map<string, string>()
    for (const record of issuing) {
      if (record.use !== 'qip-token' || record.log === undefined || record.state === 'published') continue
      await this.#verifyLog(url, record.log, { key: verifierKeyOf(record), places })
    }
    const found = new Map([...places].map(([digest, place]) => [place, digest]))
    for (const { origin, index, digest } of this.#load.handed) {
      assert.equal(found.get(`${origin}/${index}`), digest, `token ${origin}/${index} is lost`)
    }
    this.#entries = places.size
    this.#spare = places.size - this.#load.handed.length
    await this.#verifyHeads(url)
  }

  async #verifyLog(
    url: string,
    origin: string,
    { key, places }: { readonly key: ReturnType<typeof verifierKeyOf>; readonly places: Map<string, string> },
  ): Promise<void> {
    const at = `${url}/logs/${origin.slice(origin.indexOf('/') + 1)}`
    await verifyTileLog({
      vkeys: [key],
      origin,
      readCheckpoint: () => text(`${at}/checkpoint`),
      readTile: (tile: TileId) => bytes(`${at}/${tilePath(tile)}`),
      readEntries: (bundle: BundleId) => bytes(`${at}/${bundlePath(bundle)}`),
      onEntry(index, entry) {
        if (entry.length !== 38) return
        const digest = hex(entry.subarray(6))
        assert.equal(places.get(digest), undefined, `claims stand at two places of ${origin}`)
        places.set(digest, `${origin}/${index}`)
      },
    })
  }

  /** The heads that are new since the last start, and some older ones. */
  async #verifyHeads(url: string): Promise<void> {
    const { handed } = this.#load
    const older = Array.from({ length: Math.min(10, this.#checkedHeads) }, () => this.#random.pick(handed))
    const hashes = new Map(
      [...handed.slice(this.#checkedHeads), ...older].map(({ head, hash }) => [head, hash]),
    )
    for (const [head, hash] of hashes) {
      const { staple } = JSON.parse(await text(`${url}/v1/heads/${head}`)) as { staple: string }
      assert.equal(hex(parseStaple(staple)[0]?.hash ?? new Uint8Array()), hash)
    }
    this.#checkedHeads = handed.length
  }
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url)
  assert.equal(response.status, 200, `${url}: ${response.status}`)
  return response
}

async function text(url: string): Promise<string> {
  return (await get(url)).text()
}

async function bytes(url: string): Promise<Uint8Array> {
  return new Uint8Array(await (await get(url)).arrayBuffer())
}
