import { createCipheriv, createDecipheriv } from 'node:crypto'
import { base64url, type Clock, parseBase64url, parseUtf8, type Random, utf8 } from '@quantum-ip/base'
import type { FactName, FactValue } from '@quantum-ip/policy'
import type { DecisionSink } from './decision-log.ts'
import { formatDecisionId } from './decision-id.ts'
import { factsOfField, type RedactableField } from './decision-redaction.ts'
import type { DecisionInput, DecisionRecord, SealedPart, SealKeyRecord } from './decision-record.ts'
import type { RecordedFacts } from './recorded-facts.ts'

/** What was sealed of a record: facts, and fields of the record by their names. */
export interface OpenedPart {
  readonly facts: RecordedFacts
  readonly fields: Readonly<Record<string, unknown>>
}

/** What decision records are sealed with. */
export interface DecisionSealsOptions {
  readonly point: string
  readonly clock: Clock
  readonly random: Random
  readonly fields: readonly RedactableField[]
  /** ID of the custodian's key. */
  readonly kid: string
  /** Seals a key to the custodian; `aad` is what it belongs to. */
  readonly sealKey: (input: {
    readonly plaintext: Uint8Array
    readonly aad: Uint8Array
  }) => Promise<Uint8Array>
  /** Takes the record of each key, before anything is sealed with it. */
  readonly sink: DecisionSink
  /** Milliseconds that a key is used. Default an hour. */
  readonly keyMs?: number
}

const recordFields: Readonly<Partial<Record<RedactableField, keyof DecisionRecord>>> = {
  subject: 'subject',
  claimedSubject: 'claimedSubject',
  build: 'build',
  token: 'token',
  attestation: 'attestation',
  traceId: 'traceId',
}
const tagBytes = 16
const algorithm = 'aes-256-gcm'

interface Current {
  readonly id: string
  readonly key: Uint8Array
  readonly sinceMs: number
  count: number
}

/**
 * Seals what may identify people to a custodian's key, so that nobody here can open it.
 *
 * A key encapsulation for each record would cost more than the verification that it is about. So there is one for each hour: a fresh
 * AES-256-GCM key is sealed to the custodian and written down, records are sealed under it, and it is forgotten.
 */
export class DecisionSeals implements Disposable {
  readonly #options: DecisionSealsOptions
  readonly #timer: NodeJS.Timeout
  #current: Current

  private constructor(options: DecisionSealsOptions, first: Current) {
    this.#options = options
    this.#current = first
    const { keyMs = 3_600_000 } = options
    // Should sealing the next key fail, the one that is there stays.
    this.#timer = setInterval(() => void this.#renew().catch(() => undefined), keyMs).unref()
  }

  /** @throws what `sealKey` throws: without a key nothing could be sealed */
  static async open(options: DecisionSealsOptions): Promise<DecisionSeals> {
    return new DecisionSeals(options, await draw(options))
  }

  /** The sealed part of a record; `undefined` if there is nothing to seal. */
  seal(record: DecisionRecord, { facts }: DecisionInput): SealedPart | undefined {
    const part: { facts: Partial<Record<FactName, FactValue>>; fields: Record<string, unknown> } = {
      facts: {},
      fields: {},
    }
    for (const field of this.#options.fields) {
      for (const name of factsOfField(field)) {
        const value: FactValue = facts[name]
        if (value !== null && value !== '' && !name.startsWith('identity')) part.facts[name] = value
      }
      const member = recordFields[field]
      if (member !== undefined && record[member] !== null) part.fields[member] = record[member]
      if (field === 'chain') part.facts['identity.chain'] = facts['identity.chain']
    }
    if (Object.keys(part.facts).length === 0 && Object.keys(part.fields).length === 0) return undefined
    return this.#encrypt(JSON.stringify(part), record.id)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #encrypt(text: string, id: string): SealedPart {
    const current = this.#current
    // A counter: under one key, no nonce comes twice.
    const nonce = Buffer.alloc(12)
    nonce.writeUIntBE(++current.count, 6, 6)
    const cipher = createCipheriv(algorithm, current.key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(utf8(id))
    const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
    return { key: current.id, box: base64url(Buffer.concat(parts)) }
  }

  async #renew(): Promise<void> {
    this.#current = await draw(this.#options)
  }
}

async function draw({ point, clock, random, kid, sealKey, sink }: DecisionSealsOptions): Promise<Current> {
  const key = random.bytes(32)
  const timeMs = clock.now()
  const id = formatDecisionId(point, timeMs, random)
  const sealed = base64url(await sealKey({ plaintext: key, aad: utf8(id) }))
  sink.write({ kind: 'seal_key', id, timeMs, point, kid, sealed })
  return { id, key, sinceMs: timeMs, count: 0 }
}

/** Opens sealed keys: with the custodian's private key. */
export type OpenKey = (input: {
  readonly sealed: Uint8Array
  readonly aad: Uint8Array
}) => Promise<Uint8Array>

/** The key of a {@link SealKeyRecord}. @throws what `open` throws */
export async function openSealKey(
  record: Pick<SealKeyRecord, 'id' | 'sealed'>,
  open: OpenKey,
): Promise<Uint8Array> {
  return open({ sealed: parseBase64url(record.sealed), aad: utf8(record.id) })
}

/** What a record has sealed, with the key that it names. @throws if it is another key, or the record was changed */
export function openSealedPart(
  record: Pick<DecisionRecord, 'id'>,
  sealed: SealedPart,
  key: Uint8Array,
): OpenedPart {
  const bytes = Buffer.from(parseBase64url(sealed.box))
  const end = bytes.length - tagBytes
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, 12), { authTagLength: tagBytes })
  decipher.setAAD(utf8(record.id))
  decipher.setAuthTag(bytes.subarray(end))
  const text = Buffer.concat([decipher.update(bytes.subarray(12, end)), decipher.final()])
  return JSON.parse(parseUtf8(text)) as OpenedPart
}
