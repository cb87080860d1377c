import { type Clock, isQipError, type TrustDomain } from '@quantum-ip/base'
import { parseEnvelope, type PublicKey, type Signer } from '@quantum-ip/crypto'
import { parseRootDocument, type RootDocument, verifyRootDocument } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import { readMeta, writeMetaStatement } from '../store/meta.ts'
import type { Store } from '../store/open-store.ts'
import { createRoot } from './root-keys.ts'

/** The root document that holds now, and who signs bundles under it. */
export interface RootInForce {
  readonly document: RootDocument
  /** The envelope, DSSE as JSON. */
  readonly text: string
  /** As many of the bundle keys here as the document demands, the newest first. */
  readonly bundleSigners: readonly Signer[]
}

/** What a chain is opened with. */
export interface RootChainOptions {
  readonly td: TrustDomain
  readonly store: Pick<Store, 'sql' | 'custody'>
  readonly clock: Clock
}

const bundleKeysMax = 16

/**
 * The root documents of the trust domain, and the authority's bundle keys: those that the newest document lists sign; others wait
 * for a document that does.
 */
export class RootChain {
  readonly #options: RootChainOptions
  readonly #bundleKeys: Signer[]
  #current: RootInForce

  private constructor(options: RootChainOptions, bundleKeys: Signer[], current: RootInForce) {
    this.#options = options
    this.#bundleKeys = bundleKeys
    this.#current = current
  }

  /** Reads the newest root document, and founds the trust domain where there is none. */
  static async open(options: RootChainOptions): Promise<RootChain> {
    const { store, td, clock } = options
    const bundleKeys = await openBundleKeys(store)
    const [row] = await store.sql.query(
      "SELECT envelope FROM documents WHERE kind = 'root' ORDER BY sequence DESC LIMIT 1",
    )
    let text = row?.['envelope'] as string | undefined
    if (text === undefined) {
      const nowS = Math.floor(clock.now() / 1_000)
      const publicKeys = bundleKeys.map(({ publicKey }) => publicKey)
      text = await createRoot(store.custody, { td, nowS, bundleKeys: publicKeys })
      await store.sql.transact([insertStatement(1, text)])
    }
    const document = parseRootDocument(parseEnvelope(text).payload)
    const bundleSigners = pickSigners(document, bundleKeys)
    return new RootChain(options, bundleKeys, { document, text, bundleSigners })
  }

  get current(): RootInForce {
    return this.#current
  }

  /** The bundle keys in custody, the newest last. */
  get bundleKeys(): readonly PublicKey[] {
    return this.#bundleKeys.map(({ publicKey }) => publicKey)
  }

  /** Makes a bundle key, which signs nothing until a root document lists it. */
  async createBundleKey(): Promise<PublicKey> {
    const { store } = this.#options
    if (this.#bundleKeys.length >= bundleKeysMax) {
      throw new AuthorityError('QIP_AUTHORITY_ROOT_REFUSED', {
        reason: `there are ${bundleKeysMax} bundle keys already`,
      })
    }
    const signer = await store.custody.create('ML-DSA-65', 'bundle')
    await store.sql.transact([bundleKeysStatement([...this.#bundleKeys, signer])])
    this.#bundleKeys.push(signer)
    return signer.publicKey
  }

  /**
   * Verifies the next root document, and that the authority can sign under it, and keeps it. It is in force with {@link enter}.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ROOT_REFUSED`
   */
  async keep(text: string): Promise<RootInForce> {
    const { store, clock } = this.#options
    const timeS = Math.floor(clock.now() / 1_000)
    const { document } = await refusing(() =>
      verifyRootDocument({ envelope: text, trusted: this.#current.document, timeS }),
    )
    const next = { document, text, bundleSigners: pickSigners(document, this.#bundleKeys) }
    await keepDocument(store.sql, document.sequence, text)
    return next
  }

  enter(next: RootInForce): void {
    this.#current = next
  }
}

async function refusing<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const next = cause.next === undefined ? {} : { next: cause.next }
    throw new AuthorityError('QIP_AUTHORITY_ROOT_REFUSED', { reason: cause.message, ...next }, { cause })
  }
}

// An attempt before may have kept it and come no further.
async function keepDocument(sql: Store['sql'], sequence: number, text: string): Promise<void> {
  const [row] = await sql.query("SELECT envelope FROM documents WHERE kind = 'root' AND sequence = ?", [
    sequence,
  ])
  if (row === undefined) return sql.transact([insertStatement(sequence, text)])
  if (row['envelope'] === text) return
  throw new AuthorityError('QIP_AUTHORITY_ROOT_REFUSED', {
    reason: `another document with sequence ${sequence} is kept`,
    next: 'restart the authority, which then goes by that one',
  })
}

function pickSigners(document: RootDocument, held: readonly Signer[]): readonly Signer[] {
  const listed = new Set(document.bundleKeys.map(({ kid }) => kid))
  const signers = held.filter(({ publicKey }) => listed.has(publicKey.kid)).toReversed()
  if (signers.length >= document.bundleThreshold) return signers.slice(0, document.bundleThreshold)
  throw new AuthorityError('QIP_AUTHORITY_ROOT_REFUSED', {
    reason: `it demands ${document.bundleThreshold} of its bundle keys, and ${signers.length} of them are here`,
    next: 'list bundle keys that the authority made (`qip keys root bundle-key`)',
  })
}

async function openBundleKeys({ sql, custody }: RootChainOptions['store']): Promise<Signer[]> {
  const kids = (await readMeta(sql, 'bundle-key'))?.split(' ')
  if (kids !== undefined) {
    // One that is lost or destroyed is missed where a root document demands it, and only there.
    const opened = await Promise.all(kids.map((kid) => openIfThere(custody, kid)))
    return opened.filter((signer) => signer !== undefined)
  }
  const signer = await custody.create('ML-DSA-65', 'bundle')
  await sql.transact([bundleKeysStatement([signer])])
  return [signer]
}

async function openIfThere(custody: Store['custody'], kid: string): Promise<Signer | undefined> {
  try {
    return await custody.open(kid)
  } catch (error) {
    if (isQipError(error, 'QIP_AUTHORITY_NOT_FOUND')) return undefined
    throw error
  }
}

function bundleKeysStatement(signers: readonly Signer[]): ReturnType<typeof writeMetaStatement> {
  return writeMetaStatement('bundle-key', signers.map(({ publicKey }) => publicKey.kid).join(' '))
}

function insertStatement(sequence: number, text: string): { sql: string; params: [number, string] } {
  return {
    sql: "INSERT INTO documents (kind, sequence, envelope) VALUES ('root', ?, ?)",
    params: [sequence, text],
  }
}
