import type { Clock, TrustDomain } from '@quantum-ip/base'
import { formatEnvelope, sha256 } from '@quantum-ip/crypto'
import { type Bundle, signBundle } from '@quantum-ip/trust'
import type { HeldKey, KeyRing } from '../keys/key-ring.ts'
import type { RootInForce } from '../keys/root-chain.ts'
import type { Sql } from '../store/sql.ts'

/** A bundle with the envelope that proves it. */
export interface SignedBundle {
  readonly document: Bundle
  /** DSSE as JSON. */
  readonly text: string
  /** SHA-256 of the payload. */
  readonly sha256: Uint8Array
}

/** What a bundle is made from. */
export interface BundleSource {
  readonly td: TrustDomain
  readonly sql: Sql
  readonly keys: KeyRing
  readonly clock: Clock
  readonly root: RootInForce
  /** Seconds that a bundle is valid: at most seven days. */
  readonly lifetimeS: number
}

/** Verifiers need not know a key any more that ended so long ago: no token of its time is alive. */
const endedKeyMs = 24 * 3_600_000

/** Signs a bundle of the keys as they are, with a number above `previous`, and keeps it. */
export async function makeBundle(source: BundleSource, previous: number): Promise<SignedBundle> {
  const { td, clock, keys, root, sql, lifetimeS } = source
  const nowMs = clock.now()
  const nowS = Math.floor(nowMs / 1_000)
  const document: Bundle = {
    td,
    // Like the numbers of states: a restored backup does not hand out one that verifiers saw already.
    sequence: Math.max(previous + 1, nowMs),
    refreshHintS: 60,
    keys: keys.list().flatMap((held) => (isListed(held, nowMs) ? keys.recordsOf(held) : [])),
    rootSequence: root.document.sequence,
    issued: nowS,
    expires: nowS + lifetimeS,
  }
  const envelope = await signBundle(document, root.bundleSigners)
  const text = formatEnvelope(envelope)
  await sql.transact([
    { sql: "DELETE FROM documents WHERE kind = 'bundle'" },
    {
      sql: "INSERT INTO documents (kind, sequence, envelope) VALUES ('bundle', ?, ?)",
      params: [document.sequence, text],
    },
  ])
  return { document, text, sha256: sha256(envelope.payload) }
}

/** The number of the bundle that was signed last; 0 if none was. */
export async function lastBundleSequence(sql: Sql): Promise<number> {
  const [last] = await sql.query("SELECT MAX(sequence) AS sequence FROM documents WHERE kind = 'bundle'")
  return (last?.['sequence'] as number | null | undefined) ?? 0
}

// A bundle has room for a thousand keys, and issuing keys come and go: what is of no use to anybody goes. Builders' and logs' keys
// stay, for evidence is checked for years. A planned key is nobody's business yet.
function isListed({ record, changedMs }: HeldKey, nowMs: number): boolean {
  const { use, state } = record
  if (state === 'planned') return false
  const isShortLived = use === 'qip-token' || use === 'qip-jwt' || use === 'qip-feed'
  const hasEnded = state === 'retired' || state === 'compromised'
  return !(isShortLived && hasEnded && nowMs - changedMs > endedKeyMs)
}
