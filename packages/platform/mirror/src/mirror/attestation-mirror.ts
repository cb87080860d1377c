import {
  type AttestationEntry,
  attestationEntrySize,
  buildEvidence,
  encodeAttestationEntry,
  parseAttestationEntry,
  parseEvidence,
  verifyEntry,
} from '@quantum-ip/attestation'
import { equalBytes, hex, isQipError, type TrustDomain, utf8 } from '@quantum-ip/base'
import { attestationSource, type Requester } from '@quantum-ip/client'
import { type Envelope, formatEnvelope, parseEnvelope } from '@quantum-ip/crypto'
import { logFolder } from '../lib/log-folder.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { HeldLog } from './log-mirror.ts'

/** What attestations are mirrored with. */
export interface AttestationMirrorOptions {
  readonly td: TrustDomain
  /** As a member or operator: registries answer to nobody else. */
  readonly requester: Requester
  readonly store: ObjectStore
}

/** An attestation as it is served. */
export interface ServedAttestation {
  readonly log: number
  readonly index: number
  readonly origin: string
  readonly build: string
  readonly timeMs: number
  readonly evidence: string
}

/** Attestations that the registry did not give are asked for again after so many rounds. */
const missingRounds = 30

/**
 * The envelopes of an attestation log. The log holds digests only; what they are digests of is fetched from the registry, checked against
 * the entry, and handed out with a proof against the newest checkpoint that is held.
 */
export class AttestationMirror {
  readonly #options: AttestationMirrorOptions
  /** By origin: how far all envelopes are held. */
  readonly #complete = new Map<string, number>()
  readonly #missing = new Map<string, number>()
  readonly #builds = new Map<string, { readonly origin: string; readonly index: number }[]>()
  #round = 0

  constructor(options: AttestationMirrorOptions) {
    this.#options = options
  }

  /** Fetches the envelopes of a log that are not here yet. Returns how many could not be had. */
  async sync(held: HeldLog): Promise<number> {
    const { origin } = held.log
    this.#round++
    const from = this.#complete.get(origin) ?? 0
    let missing = 0
    for (let index = from; index < held.checkpoint.size; index++) {
      const entry = await entryAt(held, index)
      if (entry !== undefined) this.#remember(origin, index, entry)
      const isThere = entry === undefined || (await this.#envelope(held, index, entry)) !== undefined
      if (!isThere) missing++
      else if (missing === 0) this.#complete.set(origin, index + 1)
    }
    return missing
  }

  /** The evidence of one attestation, `undefined` where it is not held. */
  async find(held: HeldLog, index: number): Promise<ServedAttestation | undefined> {
    if (index >= held.checkpoint.size) return undefined
    const entry = await entryAt(held, index)
    const envelope = entry && (await this.#envelope(held, index, entry))
    if (entry === undefined || envelope === undefined) return undefined
    const { origin } = held.log
    const proof = await held.log.inclusionProof(index, held.checkpoint.size)
    const receipt = { origin, index, entry, proof, checkpoint: held.note }
    return {
      log: Number(origin.slice(origin.lastIndexOf('/') + 1)),
      index,
      origin,
      build: hex(entry.build),
      timeMs: entry.timeMs,
      evidence: buildEvidence({ envelope, receipt }),
    }
  }

  /** Where the attestations of a build are, newest first. */
  places(build: string): readonly { readonly origin: string; readonly index: number }[] {
    return (this.#builds.get(build) ?? []).toReversed()
  }

  #remember(origin: string, index: number, { build }: AttestationEntry): void {
    const name = hex(build)
    const places = this.#builds.get(name) ?? []
    if (places.some((place) => place.origin === origin && place.index === index)) return
    this.#builds.set(name, [...places, { origin, index }])
  }

  /** From here, or where it is not here or damaged, from the registry. */
  async #envelope(held: HeldLog, index: number, entry: AttestationEntry): Promise<Envelope | undefined> {
    const path = `${logFolder(held.log.origin)}/envelopes/${index}.json`
    const bytes = await this.#options.store.read(path)
    const kept = bytes && checked(() => parseEnvelope(Buffer.from(bytes).toString('utf8')), entry)
    if (kept !== undefined) return kept
    const fetched = await this.#fetch(held.log.origin, index, entry)
    if (fetched !== undefined) await this.#options.store.write(path, utf8(formatEnvelope(fetched)), 'json')
    return fetched
  }

  async #fetch(origin: string, index: number, entry: AttestationEntry): Promise<Envelope | undefined> {
    const key = `${origin} ${index}`
    const last = this.#missing.get(key)
    if (last !== undefined && this.#round - last < missingRounds) return undefined
    const { requester, td } = this.#options
    try {
      const answer = await attestationSource(requester).fetchAttestation({
        td,
        origin,
        index,
        build: undefined,
      })
      const envelope = answer && checked(() => parseEvidence(answer.evidence).envelope, entry)
      if (envelope !== undefined) {
        this.#missing.delete(key)
        return envelope
      }
    } catch (error) {
      if (!isQipError(error)) throw error
    }
    this.#missing.set(key, this.#round)
    return undefined
  }
}

/** The envelope, if it is the one that the entry has the digests of. */
function checked(read: () => Envelope, entry: AttestationEntry): Envelope | undefined {
  try {
    const envelope = read()
    verifyEntry({ entry, envelope, build: entry.build })
    return envelope
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

/** The attestation entry at an index; `undefined` for the null entry and what later versions may log. */
async function entryAt({ log }: HeldLog, index: number): Promise<AttestationEntry | undefined> {
  const bytes = await log.entry(index)
  if (bytes.length !== attestationEntrySize) return undefined
  try {
    const entry = parseAttestationEntry(bytes)
    return equalBytes(encodeAttestationEntry(entry), bytes) ? entry : undefined
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}
