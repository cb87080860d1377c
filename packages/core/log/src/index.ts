export { type Checkpoint, type CheckpointText, formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
export {
  type Consistency,
  type SubtreeConsistency,
  verifyConsistency,
  verifySubtreeConsistency,
} from './consistency.ts'
export {
  type NoteSigner,
  signNoteText,
  type VerifiedNoteSignature,
  verifyNoteSignature,
} from './cosignature.ts'
export { formatEntryBundle, parseEntryBundle, sliceEntryBundle } from './entry-bundle.ts'
export { type Appended } from './lib/appender.ts'
export { emptyRoot, leafHash, leafHashInto, nodeHash, rangeHash } from './hash.ts'
export {
  evaluateSubtreeInclusion,
  type Inclusion,
  type SubtreeInclusion,
  verifyInclusion,
  verifySubtreeInclusion,
} from './inclusion.ts'
export { type Log, genesisEntry, type LogOptions, openLog } from './log.ts'
export { LogError, type LogErrorDetails } from './log-errors.ts'
export { type LogCommit, type LogHead, type LogStorage, type StoredTile } from './log-storage.ts'
export { memoryLogStorage } from './memory-log-storage.ts'
export {
  formatNote,
  formatNoteSignature,
  type Note,
  noteLimits,
  type NoteSignature,
  parseNote,
  parseNoteSignature,
} from './note.ts'
export { type PackedProof, packProof, type Proof, unpackProof } from './proof.ts'
export { consistencyRanges, inclusionRanges } from './prove.ts'
export { readLogPart } from './read-log-part.ts'
export {
  type CheckpointToVerify,
  type LogSignature,
  signCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from './signed-checkpoint.ts'
export { type NoteToVerify, signNote, type VerifiedNote, verifyNote } from './signed-note.ts'
export { type SubtreeStatement, subtreeMessage } from './subtree-message.ts'
export {
  signSubtree,
  type SubtreeHead,
  type SubtreeSignature,
  subtreeVerifierKey,
  verifySubtreeSignature,
} from './subtree-signature.ts'
export {
  coverBatch,
  coverSubtrees,
  isValidSubtree,
  singleSubtreeMax,
  smallestSubtree,
  type Subtree,
  verifySubtree,
} from './subtree.ts'
export { type SubtreeProver } from './subtree-prover.ts'
export {
  type BundleId,
  bundlePath,
  parseTilePath,
  type TileId,
  tilePath,
  type TilePath,
  tileWidth,
  tileWidthMax,
} from './tile.ts'
export { formatTlogProof, parseTlogProof, type TlogProof, verifyTlogProof } from './tlog-proof.ts'
export {
  storedContents,
  type TileLogContents,
  type TileLogToVerify,
  verifyTileLog,
  verifyTileLogContents,
} from './verify-tile-log.ts'
