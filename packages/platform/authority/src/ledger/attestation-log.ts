import { type Clock, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import { noteKeyTypes, type Signer } from '@quantum-ip/crypto'
import { type Log, LogError, openLog, signCheckpoint } from '@quantum-ip/log'
import { closeLog } from '../issuance/token-log.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Store } from '../store/open-store.ts'
import { createLogStatement, sqlLogStorage } from '../store/sqlite-log-storage.ts'

/** A signed note over a size of a log. */
export interface SignedCheckpoint {
  readonly size: number
  readonly note: string
}

/** The attestation log that is open: `…/attestations/<n>`. */
export interface AttestationLog {
  readonly number: number
  readonly origin: string
  readonly log: Log
  /** Appends entries; resolves when they are durable and under a signed checkpoint. */
  append(entries: readonly Uint8Array[]): Promise<{ readonly start: number; readonly checkpoint: SignedCheckpoint }>
  /** The newest checkpoint; signed when first asked for. */
  checkpoint(): Promise<SignedCheckpoint>
}

/** What the log is opened from. */
export interface AttestationLogSource {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
}

/**
 * Opens the attestation log, with a log key of its own. One that is behind its mark (a restored backup) is closed for ever, and
 * the next number is opened.
 */
export async function openAttestationLog(source: AttestationLogSource): Promise<AttestationLog> {
  const { td, store, keys } = source
  for (;;) {
    const held = keys.find('qip-log', 'active')
    const number = held === undefined ? nextNumber(source) : numberOf(held.record.log ?? '')
    const origin = `${trustDomainName(td)}/attestations/${number}`
    const record =
      held?.record ??
      (await keys.create({ use: 'qip-log', alg: 'ML-DSA-44', state: 'active', name: origin, log: origin })).record
    const log = await tryOpen(store, origin)
    if (log !== undefined) {
      const signer = await keys.signer(record.key.kid)
      return new SignedLog(source, { number, log, signer })
    }
    await closeLog(store, origin)
    await keys.move([{ kid: record.key.kid, to: 'retired' }])
  }
}

async function tryOpen(store: Store, origin: string): Promise<Log | undefined> {
  const mark = store.highWater.mark(origin)
  await store.sql.transact([createLogStatement(origin)])
  try {
    return await openLog({
      storage: sqlLogStorage(store.sql, origin),
      origin,
      genesis: true,
      ...(mark !== undefined && { extending: { size: mark.size, root: mark.hash } }),
    })
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'QIP_LOG_NOT_AN_EXTENSION') throw error
    return undefined
  }
}

function nextNumber({ keys, store, td }: AttestationLogSource): number {
  const prefix = `${trustDomainName(td)}/attestations/`
  const origins = [
    ...keys.list().map(({ record }) => record.log ?? ''),
    ...store.highWater.marks().map(({ origin }) => origin),
  ]
  const numbers = origins.filter((origin) => origin.startsWith(prefix)).map((origin) => numberOf(origin))
  return Math.max(0, ...numbers) + 1
}

function numberOf(origin: string): number {
  return Number(origin.slice(origin.lastIndexOf('/') + 1))
}

class SignedLog implements AttestationLog {
  readonly number: number
  readonly log: Log
  readonly #source: AttestationLogSource
  readonly #signer: Signer
  #checkpoint: SignedCheckpoint | undefined
  #signing: Promise<SignedCheckpoint> | undefined

  constructor(source: AttestationLogSource, parts: { readonly number: number; readonly log: Log; readonly signer: Signer }) {
    this.#source = source
    this.number = parts.number
    this.log = parts.log
    this.#signer = parts.signer
  }

  get origin(): string {
    return this.log.origin
  }

  async append(
    entries: readonly Uint8Array[],
  ): Promise<{ readonly start: number; readonly checkpoint: SignedCheckpoint }> {
    const { start, end } = await this.log.append(entries)
    let checkpoint = await this.checkpoint()
    // A signature that was under way when the entries landed may be over a smaller tree.
    while (checkpoint.size < end) checkpoint = await this.checkpoint()
    return { start, checkpoint }
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    if (this.#checkpoint !== undefined && this.#checkpoint.size === this.log.head().size) return this.#checkpoint
    // All who wait share one signature.
    this.#signing ??= this.#sign().finally(() => {
      this.#signing = undefined
    })
    return this.#signing
  }

  async #sign(): Promise<SignedCheckpoint> {
    const { store, clock } = this.#source
    const { size, root } = this.log.head()
    await store.highWater.raise({ origin: this.origin, size, hash: root })
    const timestampS = Math.floor(clock.now() / 1_000)
    const note = await signCheckpoint({ origin: this.origin, size, root }, [
      { name: this.origin, type: noteKeyTypes.mlDsa44, signer: this.#signer, timestampS },
    ])
    this.#checkpoint = { size, note }
    return this.#checkpoint
  }
}
