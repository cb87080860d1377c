import { base64, type JsonObject } from '@quantum-ip/base'
import { noteKeyTypes, parseVkey } from '@quantum-ip/crypto'
import {
  coverSubtrees,
  verifyConsistency,
  verifyInclusion,
  verifyNote,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
  verifyTileLog,
} from '@quantum-ip/log'
import { CliError } from '../cli-errors.ts'
import { openLogFolder, openLogUrl } from '../lib/log-source.ts'
import type { Fields } from './fields.ts'

/** `merkle-inclusion`: RFC 9162, section 2.1.3.2. */
export function merkleInclusion(fields: Fields): JsonObject {
  verifyInclusion({
    index: fields.count('index'),
    size: fields.count('size'),
    leafHash: fields.bytes('leafHash'),
    proof: fields.bytesList('proof'),
    root: fields.bytes('root'),
  })
  return {}
}

/** `merkle-consistency`: RFC 9162, section 2.1.4.2. */
export function merkleConsistency(fields: Fields): JsonObject {
  verifyConsistency({
    size1: fields.count('size1'),
    size2: fields.count('size2'),
    root1: fields.bytes('root1'),
    root2: fields.bytes('root2'),
    proof: fields.bytesList('proof'),
  })
  return {}
}

/** `subtree-cover`: the two subtrees of Merkle Tree Certificates that cover an interval; the second is empty for one of at most 1. */
export function subtreeCover(fields: Fields): JsonObject {
  const subtrees = coverSubtrees(fields.count('start'), fields.count('end'))
  return { subtrees: subtrees.map(({ start, end }) => ({ start, end })) }
}

/** `subtree-inclusion`: Merkle Tree Certificates, *Verifying a Subtree Inclusion Proof*. */
export function subtreeInclusion(fields: Fields): JsonObject {
  verifySubtreeInclusion({
    index: fields.count('index'),
    start: fields.count('start'),
    end: fields.count('end'),
    leafHash: fields.bytes('leafHash'),
    proof: fields.bytesList('proof'),
    hash: fields.bytes('hash'),
  })
  return {}
}

/** `subtree-consistency`: Merkle Tree Certificates, *Verifying a Subtree Consistency Proof*. */
export function subtreeConsistency(fields: Fields): JsonObject {
  verifySubtreeConsistency({
    start: fields.count('start'),
    end: fields.count('end'),
    size: fields.count('size'),
    hash: fields.bytes('hash'),
    root: fields.bytes('root'),
    proof: fields.bytesList('proof'),
  })
  return {}
}

/** `note-verify`: c2sp.org/signed-note. `names` are those of the keys that signed, in the order of the note. */
export async function noteVerify(fields: Fields): Promise<JsonObject> {
  const vkeys = fields.texts('vkeys').map((vkey) => parseVkey(vkey))
  const { text, signatures } = await verifyNote({ note: fields.text('note'), vkeys })
  return { text, names: [...new Set(signatures.map(({ key }) => key.name))] }
}

/**
 * `tile-log-verify`: the whole log, every entry and tile. Where an ML-DSA-44 key is among `vkeys`, it must have signed the
 * checkpoint: Ed25519 lines are extra, never sufficient.
 */
export async function tileLogVerify(fields: Fields): Promise<JsonObject> {
  const vkeys = fields.texts('vkeys').map((vkey) => parseVkey(vkey))
  const isPostQuantum = vkeys.some(({ type }) => type === noteKeyTypes.mlDsa44)
  const { size, root } = await verifyTileLog({
    ...logSource(fields),
    vkeys,
    logSignature: isPostQuantum ? 'ML-DSA-44' : 'any',
  })
  return { size, root: base64(root) }
}

function logSource(fields: Fields) {
  const url = fields.optionalText('url')
  const directory = fields.optionalText('directory')
  if (url !== undefined) return openLogUrl(url)
  if (directory === undefined) throw new CliError('QIP_CLI_FIELD_MISSING', { field: 'directory' })
  return /^https?:\/\//.test(directory) ? openLogUrl(directory) : openLogFolder(directory)
}
