import assert from 'node:assert/strict'
import { equalBytes, hex } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import {
  evaluateSubtreeInclusion,
  isValidSubtree,
  storedContents,
  subtreeVerifierKey,
  verifySubtreeSignature,
  verifyTileLogContents,
} from '@quantum-ip/log'
import { parseJwtToken, parseMerkleToken, parseStaple } from '@quantum-ip/token'
import { payloadTypes, type RevocationRecord, type TrustStore } from '@quantum-ip/trust'
import type { KeyRing } from '../../src/keys/key-ring.ts'
import type { IssuedTokens } from '../../src/issuance/issuer.ts'
import { sqlLogStorage } from '../../src/store/sql-log-storage.ts'
import { readRotation, rotatedUses } from '../../src/keys/rotation.ts'
import type { SimulatedDatabase } from './simulated-database.ts'

/** A token that somebody was given. */
interface Acknowledged {
  readonly origin: string
  readonly index: number
  readonly digest: string
  readonly expiresS: number
  /** The head that it is under; a JWT has none of its own. */
  readonly head:
    | { readonly keyId: number; readonly start: number; readonly end: number; readonly hash: Uint8Array }
    | undefined
  /** How often the store had gone back before. */
  readonly era: number
}

/** What a member said. */
interface MemberNote {
  readonly bundleSequence: number
  readonly toldMs: number
  /** Whether it was answered; what was not may have been heard all the same. */
  readonly isHeard: boolean
}

const memberLeaseMs = 60_000

/**
 * All that was ever acknowledged or signed, and whether it is kept. INVARIANTS:
 *
 * - never two hashes signed for one (origin, start, end), one key for each log, and no two states of one number;
 * - no claims at two places;
 * - every acknowledged token is in the log at its place, unless the store went back and the log is closed;
 * - every acknowledged token verifies under its head, and verifiers hold that head, unless the store went back;
 * - revocations that were acknowledged stay, in their order;
 * - of each use one key is active, and none before the enrolled members held it.
 */
export class Oracle {
  readonly #signed = new Map<string, string>()
  readonly #signers = new Map<string, string>()
  readonly #states = new Set<number>()
  readonly #places = new Map<string, string>()
  readonly #tokens: Acknowledged[] = []
  readonly #revocations: RevocationRecord[] = []
  /** What signing found; thrown by the next check, for it was signed deep inside of the process. */
  readonly #violations: string[] = []
  readonly #members = new Map<string, readonly MemberNote[]>()
  /** How often the store went back. */
  era = 0

  get acknowledged(): number {
    return this.#tokens.length
  }

  get signatures(): number {
    return this.#signed.size
  }

  /** Takes down what a key signs; only subtrees matter here. */
  noteSigned({ kid, alg }: PublicKey, message: Uint8Array): void {
    const subtree = readSubtree(message)
    if (subtree === undefined) {
      this.#noteState(Buffer.from(message).toString())
      return
    }
    const { origin, start, end, hash } = subtree
    const place = `${origin} [${start}, ${end})`
    const before = this.#signed.get(place)
    if (before !== undefined && before !== hash) this.#violations.push(`two hashes were signed for ${place}`)
    this.#signed.set(place, hash)
    const signer = this.#signers.get(`${origin} ${alg}`)
    if (signer !== undefined && signer !== kid) this.#violations.push(`two keys sign for ${origin}`)
    this.#signers.set(`${origin} ${alg}`, kid)
  }

  /** Takes down tokens that were handed out, and checks them against what came with them. */
  async noteIssued({ tokens, heads }: IssuedTokens, keys: KeyRing): Promise<void> {
    const staples = heads.flatMap((head) => parseStaple(head))
    for (const text of tokens) {
      if (text.startsWith('qipr1.')) continue
      if (!text.startsWith('qip1.')) {
        this.#noteJwt(text, keys)
        continue
      }
      const token = parseMerkleToken(text)
      const staple = staples.find(({ start, end }) => start === token.start && end === token.end)
      assert.ok(staple, 'a token came without its head')
      const hash = evaluateSubtreeInclusion({ ...token, leafHash: token.leafHash, proof: token.path })
      assert.ok(equalBytes(hash, staple.hash), 'a token is not under its head')
      const record = keys
        .list()
        .find(({ record: { use, log } }) => use === 'qip-token' && log === staple.origin)?.record
      assert.ok(record?.name, 'the key of a log is not known')
      const key = subtreeVerifierKey(record.name, record.key)
      const signed = staple.sigs.find(({ keyId }) => keyId === key.keyId)
      await verifySubtreeSignature(staple, key, signed?.signature ?? new Uint8Array())
      const { index, start, end, keyId } = token
      const head = { keyId, start, end, hash }
      const digest = hex(token.digest)
      this.#tokens.push({
        origin: staple.origin,
        index,
        digest,
        expiresS: token.claims.exp,
        head,
        era: this.era,
      })
    }
  }

  /**
   * Of each use exactly one key is active in the store, whatever phase a rotation died in, and what rotations under way say of their
   * keys is so.
   */
  checkKeys(database: SimulatedDatabase): void {
    const states = new Map<string, string>()
    const active = new Map<string, number>()
    for (const row of database.query('SELECT kid, use, state FROM keys')) {
      states.set(row['kid'] as string, row['state'] as string)
      const use = row['use'] as string
      active.set(use, (active.get(use) ?? 0) + (row['state'] === 'active' ? 1 : 0))
    }
    for (const use of rotatedUses) assert.equal(active.get(use), 1, `active keys of use ${use}`)
    this.#checkGates(database)
    const waiting = new Set<string>()
    for (const row of database.query("SELECT * FROM rotations WHERE phase <> 'ended'")) {
      const { number, use, phase, from, to } = readRotation(row)
      assert.ok(phase !== 'waiting' || !waiting.has(use), `two rotations of ${use} wait`)
      if (phase === 'waiting') waiting.add(use)
      const found = `${states.get(from)} ${states.get(to)}`
      // A restored store may have lost keys; such a rotation ends with its next step.
      if (this.era > 0) continue
      assert.equal(found, phase === 'waiting' ? 'active published' : 'retiring active', `rotation ${number}`)
    }
  }

  /** Takes down what a member says; once it is heard, it is enrolled. */
  noteMember(point: string, told: MemberNote): void {
    this.#members.set(point, [...(this.#members.get(point) ?? []), told])
  }

  /** No key began to sign while somebody who was enrolled did not hold it. */
  #checkGates(database: SimulatedDatabase): void {
    for (const row of database.query('SELECT * FROM rotations WHERE gate_sequence IS NOT NULL')) {
      const { number, cause, activatedMs, gateSequence = 0 } = readRotation(row)
      if (activatedMs === undefined || cause === 'compromised' || cause === 'lost') continue
      for (const [point, notes] of this.#members) {
        // Who enrolls at the very moment comes as late as who does afterwards.
        const last = notes.findLast(({ toldMs, isHeard }) => isHeard && toldMs < activatedMs)
        if (last === undefined || last.toldMs + memberLeaseMs <= activatedMs || this.era > 0) continue
        const held = Math.max(...notes.map((note) => (note.toldMs <= activatedMs ? note.bundleSequence : 0)))
        assert.ok(held >= gateSequence, `rotation ${number} did not wait for ${point}`)
      }
    }
  }

  noteRevocation(record: RevocationRecord): void {
    this.#revocations.push(record)
  }

  checkSigned(): void {
    assert.deepEqual(this.#violations, [])
  }

  /** Verifies every log in the database whole, and every token in it. `issuing` is the log that is being written. */
  async checkDatabase(database: SimulatedDatabase, issuing: string): Promise<void> {
    this.checkSigned()
    const sql = {
      query: async (...call: Parameters<SimulatedDatabase['query']>) => database.query(...call),
      transact: () => Promise.reject(new Error('read only')),
      snapshot: () => Promise.reject(new TypeError('nothing is copied here')),
      close: async () => {},
    }
    const found = new Map<string, string>()
    for (const row of database.query('SELECT origin, size, root FROM log_heads')) {
      const origin = row['origin'] as string
      const head = { size: row['size'] as number, root: row['root'] as Uint8Array }
      await verifyTileLogContents(head, {
        ...storedContents(sqlLogStorage(sql, origin)),
        onEntry: (index, entry) => {
          if (entry.length !== 38) return
          const digest = hex(entry.subarray(6))
          found.set(`${origin}/${index}`, digest)
          this.#notePlace(digest, `${origin}/${index}`)
        },
      })
    }
    for (const { origin, index, digest } of this.#tokens) {
      const there = found.get(`${origin}/${index}`)
      if (there === undefined) {
        assert.ok(this.era > 0, `acknowledged token ${origin}/${index} is lost`)
        assert.notEqual(origin, issuing, `${origin} goes on without its acknowledged token ${index}`)
      } else assert.equal(there, digest, `another token stands at ${origin}/${index}`)
    }
  }

  checkRevocations(records: readonly RevocationRecord[]): void {
    for (const record of this.#revocations) {
      assert.deepEqual(records[record.epoch - 1], record, `acknowledged revocation ${record.epoch} is lost`)
    }
  }

  /** A verifier that followed all the time holds the head of every token that may still be used. */
  checkVerifier(trust: TrustStore, nowMs: number): void {
    for (const { origin, index, expiresS, head, era } of this.#tokens) {
      if (head === undefined || era < this.era || expiresS * 1_000 <= nowMs) continue
      const record = trust.keyFor(trust.td, head.keyId, 'qip-token')
      if (record === undefined || record.state === 'compromised' || record.state === 'retired') continue
      const held = trust.headFor(origin, head.keyId, head)
      assert.ok(held, `no state lists the head [${head.start}, ${head.end}) of token ${origin}/${index}`)
      assert.ok(equalBytes(held, head.hash), 'states list another head')
    }
  }

  #noteState(message: string): void {
    if (!message.includes(` ${payloadTypes.state} `)) return
    const { seq } = JSON.parse(message.slice(message.indexOf('{'))) as { seq: number }
    if (this.#states.has(seq)) this.#violations.push(`two states have the number ${seq}`)
    this.#states.add(seq)
  }

  #noteJwt(text: string, keys: KeyRing): void {
    const { log, index, digest, claims } = parseJwtToken(text)
    const origin = keys
      .list()
      .map(({ record }) => record.log ?? '')
      .find((origin) => origin.endsWith(`/tokens/${log}`))
    assert.ok(origin)
    this.#tokens.push({
      origin,
      index,
      digest: hex(digest),
      expiresS: claims.exp,
      head: undefined,
      era: this.era,
    })
  }

  #notePlace(digest: string, place: string): void {
    const before = this.#places.get(digest)
    assert.ok(before === undefined || before === place, `the claims at ${place} stand at ${before} as well`)
    this.#places.set(digest, place)
  }
}

const label = 'subtree/v1\n\0'

/** What {@link subtreeMessage} writes, read back. */
function readSubtree(message: Uint8Array) {
  const text = Buffer.from(message)
  if (text.toString('latin1', 0, label.length) !== label) return undefined
  const nameEnd = label.length + 1 + (message[label.length] as number)
  const originAt = nameEnd + 8
  const originEnd = originAt + 1 + (message[originAt] as number)
  const [start, end] = [Number(text.readBigUInt64BE(originEnd)), Number(text.readBigUInt64BE(originEnd + 8))]
  assert.ok(isValidSubtree({ start, end }))
  return {
    origin: text.toString('utf8', originAt + 1, originEnd),
    start,
    end,
    hash: hex(message.subarray(originEnd + 16)),
  }
}
