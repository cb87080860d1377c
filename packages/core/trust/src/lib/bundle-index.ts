import type { Bundle } from '../bundle.ts'
import type { KemKeyRecord, KeyRecord, SigningKeyRecord, SigningUse } from '../key-record.ts'

const none: readonly SigningKeyRecord[] = []

/** The keys of one bundle by what they are asked for. */
export class BundleIndex {
  readonly kemKeys: readonly KemKeyRecord[]
  readonly #byKeyId = new Map<number, SigningKeyRecord>()
  readonly #byKid = new Map<string, SigningKeyRecord>()
  readonly #byUse = new Map<SigningUse, SigningKeyRecord[]>()
  readonly #cosigners = new Map<string, SigningKeyRecord[]>()
  readonly #builders = new Map<string, Map<string, SigningKeyRecord[]>>()

  constructor({ keys, ignored = [] }: Pick<Bundle, 'keys' | 'ignored'>) {
    this.kemKeys = keys.filter((record) => record.use === 'qip-kem')
    for (const record of keys) if (isSigning(record)) this.#add(record)
    // INVARIANT: passing over a key never lowers what must be signed. A set or log that lacks one is out of use.
    for (const { use, name = '', log = '', set = '' } of ignored) {
      if (use === 'qip-build') this.#builders.get(name)?.delete(set)
      if (use === 'qip-token') this.#cosigners.delete(log)
    }
  }

  byKeyId(keyId: number): SigningKeyRecord | undefined {
    return this.#byKeyId.get(keyId)
  }

  byKid(kid: string): SigningKeyRecord | undefined {
    return this.#byKid.get(kid)
  }

  byUse(use: SigningUse): readonly SigningKeyRecord[] {
    return this.#byUse.get(use) ?? none
  }

  cosigners(origin: string): readonly SigningKeyRecord[] | undefined {
    return this.#cosigners.get(origin)
  }

  builderSets(builder: string): Iterable<readonly SigningKeyRecord[]> {
    return this.#builders.get(builder)?.values() ?? []
  }

  #add(record: SigningKeyRecord): void {
    const { use, key, keyId, name = '', log = '', set = '' } = record
    this.#byKid.set(key.kid, record)
    listAt(this.#byUse, use).push(record)
    const isCompanion = use === 'qip-token' && key.alg === 'Ed25519'
    if (keyId !== undefined && !isCompanion) this.#byKeyId.set(keyId, record)
    if (use === 'qip-token') {
      const cosigners = listAt(this.#cosigners, log)
      if (isCompanion) cosigners.push(record)
      else cosigners.unshift(record)
    }
    if (use === 'qip-build') {
      const sets = this.#builders.get(name) ?? new Map<string, SigningKeyRecord[]>()
      this.#builders.set(name, sets)
      listAt(sets, set).push(record)
    }
  }
}

function isSigning(record: KeyRecord): record is SigningKeyRecord {
  return record.use !== 'qip-kem'
}

function listAt<Key, Item>(map: Map<Key, Item[]>, key: Key): Item[] {
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}
