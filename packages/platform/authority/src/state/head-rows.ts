import { encodeHead, type HeadRecord, type LogHead } from '@quantum-ip/trust'
import type { SqlRow, SqlValue } from '../store/sql.ts'

/** A head as the issuer hands it over, with what signed it. */
export interface SignedHead {
  readonly head: HeadRecord
  /** The signed head as a `Quantum-IP-Head` value. */
  readonly staple: string
}

/** A head as a row holds it, and with the last one of a batch the tree after it. */
export interface StoredHead {
  readonly head: HeadRecord
  readonly tree: LogHead | undefined
}

/** The columns of a head, in the order of {@link headValues}. */
export const headColumns = 'origin, start_index, end_index, hash, exp, staple, tree_size, tree_root'

/** What stands in {@link headColumns}. @throws {TrustError} for what no state could list: it must not be stored */
export function headValues({ head, staple }: SignedHead, tree: LogHead | undefined): readonly SqlValue[] {
  encodeHead(head)
  return [
    head.origin,
    head.start,
    head.end,
    head.hash,
    head.exp,
    staple,
    tree?.size ?? null,
    tree?.hash ?? null,
  ]
}

/** A head out of its row. */
export function headOf(row: SqlRow): StoredHead {
  return {
    head: {
      origin: row['origin'] as string,
      start: row['start_index'] as number,
      end: row['end_index'] as number,
      hash: row['hash'] as Uint8Array,
      exp: row['exp'] as number,
    },
    tree:
      row['tree_size'] === null
        ? undefined
        : { size: row['tree_size'] as number, hash: row['tree_root'] as Uint8Array },
  }
}
