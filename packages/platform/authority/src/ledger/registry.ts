import {
  type Clock,
  compareBytes,
  hex,
  parseHex,
  type ServiceId,
  type TrustDomain,
  trustDomainName,
  utf8,
} from '@quantum-ip/base'
import {
  type AdmissionRule,
  attestationEntry,
  type Builder,
  buildEvidence,
  type BuildFacts,
  buildFacts,
  decideAdmission,
  encodeAttestationEntry,
  parseAttestationEntry,
  type SlsaLevel,
  verifyProvenance,
} from '@quantum-ip/attestation'
import { type Envelope, formatEnvelope, parseEnvelope, type PublicKey, sha256 } from '@quantum-ip/crypto'
import type { LogHead } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { BuilderOrder } from '../authority-options.ts'
import type { Cosign } from './cosign.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { SqlRow } from '../store/sql.ts'
import type { Store } from '../store/open-store.ts'
import {
  type AttestationLog,
  openAttestationLog,
  openClosedLog,
  type SignedCheckpoint,
} from './attestation-log.ts'

/** An attestation as the registry holds it. */
export interface Registered {
  /** Number of the attestation log. */
  readonly log: number
  readonly index: number
  readonly origin: string
  /** SHA-256 of the artifact, lowercase hexadecimal. */
  readonly build: string
  readonly builder: string
  readonly timeMs: number
  /** The evidence file: envelope, inclusion proof and checkpoint. */
  readonly evidence: string
}

/** What an attestation is looked for. */
export interface AdmissionQuestion {
  readonly build: string
  readonly service: ServiceId
  readonly rules: readonly AdmissionRule[]
}

/** What the registry is opened with. */
export interface RegistryOptions {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
  readonly builders: readonly BuilderOrder[]
  /** Has checkpoints cosigned; absent: there are no witnesses. */
  readonly cosign?: Cosign | undefined
  /** Told how long the signatures of each envelope took. */
  readonly onVerified?: ((durationMs: number) => void) | undefined
}

/** An attestation whose signatures hold, about to be logged. */
interface Accepted {
  readonly envelope: Envelope
  /** The envelope as it is kept. */
  readonly stored: string
  readonly envelopeHash: Uint8Array
  readonly facts: BuildFacts
}

/** What is at hand already about a row. */
interface Known {
  readonly checkpoint?: SignedCheckpoint
  readonly envelope?: Envelope
}

const perBuildMax = 64

/**
 * The registry of attestations and the ledger below it: what an envelope says is checked, a digest of it is logged, and the
 * answer is evidence that verifies without us.
 */
export class Registry {
  readonly #options: RegistryOptions
  readonly #ledger: AttestationLog
  readonly #levels: ReadonlyMap<string, SlsaLevel>
  readonly #registering = new Map<string, Promise<Registered>>()
  readonly #closed = new Map<number, Promise<AttestationLog>>()

  private constructor(options: RegistryOptions, ledger: AttestationLog) {
    this.#options = options
    this.#ledger = ledger
    this.#levels = new Map(options.builders.map(({ id, slsaLevel }) => [id, slsaLevel]))
  }

  /** Opens the ledger, and makes known the builders of the configuration. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const { keys, builders } = options
    for (const { id, keys: builderKeys } of builders) {
      for (const key of builderKeys) {
        if (keys.get(key.kid) === undefined)
          await keys.add(key, { use: 'qip-build', state: 'active', name: id })
      }
    }
    return new Registry(options, await openAttestationLog(options))
  }

  /** The attestation log's name. */
  get origin(): string {
    return this.#ledger.origin
  }

  get ledger(): AttestationLog {
    return this.#ledger
  }

  /** The attestation log as states may show it. */
  head(): LogHead {
    const { size, root } = this.#ledger.shownHead()
    return { size, hash: root }
  }

  /**
   * Takes an attestation in: all keys of its builder must have signed, and one of its subjects is the build.
   *
   * The same envelope a second time is the same attestation: it is not logged again.
   *
   * @param build which of the statement's subjects, lowercase hexadecimal; absent where it has only one
   * @throws {AttestationError} as `verifyProvenance`
   * @throws {AuthorityError} `QIP_AUTHORITY_ATTESTATION_REFUSED`
   */
  async register(
    text: string,
    build?: string,
  ): Promise<{ readonly registered: Registered; readonly known: boolean }> {
    const startedMs = performance.now()
    const verified = await verifyProvenance(text, this.builders())
    this.#options.onVerified?.(performance.now() - startedMs)
    const { statement, provenance, builder } = verified
    const digest = build ?? onlySubject(statement.subjects)
    const facts = buildFacts({ statement, provenance, builder, build: parseHex(digest) })
    const envelope = ordered(verified.envelope)
    const stored = formatEnvelope(envelope)
    const envelopeHash = sha256(utf8(stored + digest))
    // Two callers with the same envelope at once: it is logged once.
    const key = hex(envelopeHash)
    const underWay = this.#registering.get(key)
    if (underWay !== undefined) return { registered: await underWay, known: true }
    const known = await this.#find('SELECT * FROM attestations WHERE envelope_hash = ?', [envelopeHash])
    if (known[0] !== undefined) return { registered: await this.#registered(known[0]), known: true }
    const again = this.#registering.get(key)
    if (again !== undefined) return { registered: await again, known: true }
    const registering = this.#log({ envelope, stored, envelopeHash, facts }).finally(() =>
      this.#registering.delete(key),
    )
    this.#registering.set(key, registering)
    return { registered: await registering, known: false }
  }

  /** Logs an attestation and keeps its envelope, in one transaction. */
  async #log({ envelope, stored, envelopeHash, facts }: Accepted): Promise<Registered> {
    const timeMs = this.#options.clock.now()
    const entry = attestationEntry(envelope, facts.build, timeMs)
    const bytes = encodeAttestationEntry(entry)
    const row = {
      log: this.#ledger.number,
      build: facts.build,
      envelope_hash: envelopeHash,
      entry: bytes,
      envelope: stored,
      facts: formatFacts(facts),
      time_ms: timeMs,
    }
    const { index, checkpoint } = await this.#ledger.append(bytes, (position) => ({
      sql: `INSERT INTO attestations (log, build, envelope_hash, entry, envelope, facts, time_ms, position)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      params: [...Object.values(row), position],
    }))
    return this.#registered({ ...row, position: index }, { checkpoint, envelope })
  }

  /** The attestations of a build, newest first. */
  async list(build: string): Promise<readonly Registered[]> {
    const rows = await this.#rowsOf(build)
    return Promise.all(rows.map((row) => this.#registered(row)))
  }

  /** The newest attestations of a builder. Asked by a person who looks into a key: a walk, and no index more on each attestation. */
  async listOf(builder: string, limit: number): Promise<readonly Registered[]> {
    const named = `%${`"builder":${JSON.stringify(builder)}`.replaceAll(/[!%_]/g, '!$&')}%`
    const rows = await this.#options.store.sql.query(
      `SELECT * FROM attestations WHERE facts LIKE ? ESCAPE '!' ORDER BY time_ms DESC, position DESC LIMIT ?`,
      [named, limit],
    )
    return Promise.all(rows.map((row) => this.#registered(row)))
  }

  /** One attestation by its place. */
  async find(log: number, index: number): Promise<Registered | undefined> {
    const [row] = await this.#find('SELECT * FROM attestations WHERE log = ? AND position = ?', [log, index])
    return row && this.#registered(row)
  }

  /** Which build the attestation at a place of a log of ours is of, lowercase hexadecimal. */
  async buildAt(origin: string, index: number): Promise<string | undefined> {
    const start = `${trustDomainName(this.#options.td)}/attestations/`
    const number = origin.startsWith(start) ? /^\d{1,9}$/.exec(origin.slice(start.length))?.[0] : undefined
    if (number === undefined) return undefined
    const [row] = await this.#find('SELECT build FROM attestations WHERE log = ? AND position = ?', [
      Number(number),
      index,
    ])
    return row && hex(row['build'] as Uint8Array)
  }

  /** The newest attestation of a build by which a rule admits it as a service; or why there is none. */
  async findAdmitting({ build, service, rules }: AdmissionQuestion): Promise<{
    readonly attestation: readonly [log: number, index: number] | undefined
    readonly reason: string
  }> {
    let reason = 'it has no attestation'
    for (const row of await this.#rowsOf(build)) {
      const decision = decideAdmission(rules, service, this.#factsOf(row))
      reason = decision.reason
      if (decision.admitted) return { attestation: [row['log'] as number, row['position'] as number], reason }
    }
    return { attestation: undefined, reason }
  }

  /** The builders whose keys count now. */
  builders(): readonly Builder[] {
    const sets = new Map<string, Map<string, PublicKey[]>>()
    for (const { record } of this.#options.keys.list()) {
      if (record.use !== 'qip-build' || record.name === undefined) continue
      const ofBuilder = sets.get(record.name) ?? new Map<string, PublicKey[]>()
      sets.set(record.name, ofBuilder)
      const set = record.set ?? ''
      // A compromised key takes its whole set with it: all keys of a set are required.
      if (record.state === 'compromised') ofBuilder.delete(set)
      else ofBuilder.set(set, [...(ofBuilder.get(set) ?? []), record.key])
    }
    return [...sets].map(([id, keySets]) => ({
      id,
      keySets: [...keySets.values()],
      slsaLevel: this.#levels.get(id) ?? 0,
    }))
  }

  close(): Promise<void> {
    return this.#ledger.log.close()
  }

  async #rowsOf(build: string): Promise<readonly SqlRow[]> {
    return this.#find(
      `SELECT * FROM attestations WHERE build = ? ORDER BY time_ms DESC, position DESC LIMIT ${perBuildMax}`,
      [parseHex(build)],
    )
  }

  #find(sql: string, params: readonly (string | number | Uint8Array)[]): Promise<readonly SqlRow[]> {
    return this.#options.store.sql.query(sql, params)
  }

  #factsOf(row: SqlRow): BuildFacts {
    const facts = JSON.parse(row['facts'] as string) as Omit<BuildFacts, 'build' | 'slsaLevel' | 'source'> & {
      readonly source?: { readonly uri: string; readonly ref?: string }
    }
    const { source, ...rest } = facts
    return {
      ...rest,
      build: row['build'] as Uint8Array,
      slsaLevel: this.#levels.get(facts.builder) ?? 0,
      ...(source !== undefined && { source: { ...source, digest: new Map() } }),
    }
  }

  /** The log that an attestation is in: after a restored backup not always the one that is written. */
  #ledgerOf(number: number): Promise<AttestationLog> {
    if (number === this.#ledger.number) return Promise.resolve(this.#ledger)
    const known = this.#closed.get(number) ?? openClosedLog(this.#options, number)
    this.#closed.set(number, known)
    known.catch(() => this.#closed.delete(number))
    return known
  }

  async #registered(row: SqlRow, known: Known = {}): Promise<Registered> {
    const index = row['position'] as number
    const ledger = await this.#ledgerOf(row['log'] as number)
    const { size, note } = known.checkpoint ?? (await ledger.checkpoint(index))
    const proof = await ledger.log.inclusionProof(index, size)
    const receipt = {
      origin: ledger.origin,
      index,
      entry: parseAttestationEntry(row['entry'] as Uint8Array),
      proof,
      checkpoint: note,
    }
    return {
      log: row['log'] as number,
      index,
      origin: ledger.origin,
      build: hex(row['build'] as Uint8Array),
      builder: this.#factsOf(row).builder,
      timeMs: row['time_ms'] as number,
      evidence: buildEvidence({
        envelope: known.envelope ?? parseEnvelope(row['envelope'] as string),
        receipt,
      }),
    }
  }
}

function onlySubject(subjects: readonly { readonly digest?: ReadonlyMap<string, string> }[]): string {
  const digests = subjects.map(({ digest }) => digest?.get('sha256')).filter((digest) => digest !== undefined)
  const [digest] = digests
  if (digest !== undefined && digests.length === 1) return digest
  throw new AuthorityError('QIP_AUTHORITY_ATTESTATION_REFUSED', {
    reason: `the statement has ${digests.length} subjects with a SHA-256`,
    next: 'name the one that is meant in `build`',
  })
}

// The order of signatures is the sender's whim; the stored form has one.
function ordered({ payload, payloadType, signatures }: Envelope): Envelope {
  const sorted = [...signatures].sort((a, b) => compareBytes(a.sig, b.sig))
  return { payload, payloadType, signatures: sorted }
}

function formatFacts({ build: _build, slsaLevel: _slsaLevel, source, ...rest }: BuildFacts): string {
  return JSON.stringify({
    ...rest,
    ...(source !== undefined && {
      source: { uri: source.uri, ...(source.ref !== undefined && { ref: source.ref }) },
    }),
  })
}
