export {
  type AttachOptions,
  type Broadcaster,
  type BroadcasterOptions,
  type DropReason,
  type FeedEvent,
  formatFeedEvent,
  openBroadcaster,
} from './broadcaster.ts'
export { openKeyword, verifyClosedSchema } from './closed-schema.ts'
export type * from './config/config.ts'
export type * from './config/config-attestations.ts'
export type * from './config/config-custody.ts'
export type * from './config/config-ext-authz.ts'
export type * from './config/config-otlp.ts'
export type * from './config/config-ledger.ts'
export type * from './config/config-policies.ts'
export type * from './config/config-replay.ts'
export type * from './config/config-sidecar.ts'
export { type ConfigValue, formatConfig, listConfig } from './config/format-config.ts'
export { type ParseConfigOptions, checkConfig, parseConfig, readConfigFile } from './config/parse-config.ts'
export { configJsonSchema, configSchema } from './config/schema.ts'
export { durationMs, isLoopback } from './config/units.ts'
export {
  type CredentialOptions,
  type CredentialRecord,
  type CredentialStore,
  type NewCredential,
  createCredential,
  memoryCredentialStore,
  newCredential,
  revokeCredential,
  verifyCredential,
} from './credentials.ts'
export { type FirstAdminOptions, createFirstAdmin } from './first-admin.ts'
export {
  type Arrival,
  type AuthenticateMember,
  type GuardOptions,
  isLocal,
  principalOf,
  requireRole,
} from './guard.ts'
export { type FolderLock, takeFolder } from './folder-lock.ts'
export type { HealthCheck } from './health.ts'
export { HttpError, type HttpErrorDetails } from './http-errors.ts'
export type { Bound, ConnectionLimits, Listener, ListenerTls, TcpListener, UnixListener } from './listener.ts'
export { type OpenApiDocument, openApiDocument } from './open-api.ts'
export { type LoadPriority, loadPriorities } from './load/admission-level.ts'
export { type LoadShedder, type LoadShedderOptions, openLoadShedder } from './load/load-shedder.ts'
export { Overload, type OverloadOptions } from './overload.ts'
export {
  type Problem,
  type ProblemOptions,
  codedError,
  problemHeaders,
  problemOf,
  problemSchema,
  problemType,
  statusOf,
} from './problem.ts'
export { type Access, type Member, type Principal, type Role, impliesRole, isRole, roles } from './roles.ts'
export {
  type OpenServerOptions,
  type Relay,
  type ServerLimits,
  type ServerObserver,
  type ServerReply,
  defaultServerLimits,
} from './server-options.ts'
export { type App, type Server, type StopReport, openServer } from './server.ts'
export { parseJsonBody } from './strict-json.ts'
export {
  type KeyExchange,
  type TlsGroup,
  type TlsGroupObserver,
  groupList,
  tlsGroupOf,
  watchTlsGroups,
} from './tls/group.ts'
export { type SelfSignedOptions, createSelfSignedCertificate } from './tls/self-signed.ts'
export { type TlsIdentity, readTlsIdentity } from './tls/tls-files.ts'
export { type ReadYamlOptions, type TextPosition, type YamlText, readYaml } from './yaml/read-yaml.ts'
export { type ListenerTlsOptions, createListenerTls } from './tls/tls-identity.ts'
