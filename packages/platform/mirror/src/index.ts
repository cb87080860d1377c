export type { FolderLock } from '@quantum-ip/http'
export { lockFolder } from './lib/folder-lock.ts'
export { type HeldLog, LogMirror, type LogMirrorOptions } from './mirror/log-mirror.ts'
export { Mirror, type MirrorEvent, type MirrorOptions, openMirror } from './mirror/mirror.ts'
export { type MirrorServer, type MirrorServerOptions, serveMirror } from './mirror/mirror-server.ts'
export { MirrorError, type MirrorErrorDetails } from './mirror-errors.ts'
export { type Publication, type Published, publishTiles, type TileSource } from './publish/publish-tiles.ts'
export {
  type PublishedLog,
  type PublishingEvent,
  TilePublishing,
  type TilePublishingOptions,
} from './publish/tile-publishing.ts'
export { type ForkReport, ForkReports } from './report/fork-reports.ts'
export { type DirectoryOptions, directoryStore } from './store/directory-store.ts'
export { type ObjectStore, type ObjectType } from './store/object-store.ts'
export { readS3Credentials } from './store/s3-credentials.ts'
export { type S3Credentials, type S3Options, s3Store } from './store/s3-store.ts'
export {
  Cosigners,
  type CosignersOptions,
  type CosignedLog,
  type CosigningEvent,
} from './witness/cosigners.ts'
export { DomainLogs, type DomainLogsOptions } from './witness/domain-logs.ts'
export { formatSubmission, parseSubmission, type Submission } from './witness/submission.ts'
export { submitCheckpoint, type WitnessAddress, type WitnessAnswer } from './witness/witness-client.ts'
export { openWitnessKeys } from './witness/witness-keys.ts'
export { serveWitness, type WitnessServer, type WitnessServerOptions } from './witness/witness-server.ts'
export { type WitnessedLog, WitnessStore } from './witness/witness-store.ts'
export { originHash } from './witness/origin-hash.ts'
export { type LogKeys, Witness, type WitnessOptions } from './witness/witness.ts'
