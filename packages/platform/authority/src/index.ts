export type { LedgerOptions } from './ledger/ledger-beyond.ts'
export { type Act, Acts } from './acts.ts'
export {
  type Admission,
  AdmissionDesk,
  type AdmissionRequest,
  type AttestationDemand,
} from './admission/admission.ts'
export type { AdmissionMethod, Admitted } from './admission/admission-method.ts'
export { createJoinToken, type JoinTokenOrder } from './admission/join-token.ts'
export type { Session, SessionBuild, SessionRole } from './admission/sessions.ts'
export { Authority } from './authority.ts'
export type { AuthorityOptions, BuilderOrder } from './authority-options.ts'
export { AuthorityError, type AuthorityErrorDetails } from './authority-errors.ts'
export { type Custodies, type KeyCustody, keyCustody, type KeyPurpose } from './custody.ts'
export { readBackupFile, writeBackupFile } from './backup/backup-file.ts'
export { backupOfFolder } from './backup/backup-store.ts'
export { type BackupContents, loadBackup } from './backup/load-backup.ts'
export type { LogFate } from './backup/plan-restore.ts'
export { type Restored, restoreStore } from './backup/restore-store.ts'
export { type OpenedKeys, openKeys, restoreKeys, sealKeys } from './backup/sealed-keys.ts'
export type { DetectionRules } from './detection/detection.ts'
export type { KeyRateRule } from './detection/key-rate.ts'
export type { SecurityEvent } from './detection/security-events.ts'
export {
  openAdmissionRecord,
  openIssuanceRecord,
  type OpenedToken,
  type RecordToOpen,
} from './records/open-record.ts'
export type { IssuedBatch, IssuedTokens } from './issuance/issuer.ts'
export type { IssuedForm, TokenOrder } from './issuance/token-order.ts'
export type { Registered } from './ledger/registry.ts'
export { type AuthorityServer, type AuthorityServerOptions, serveAuthority } from './server.ts'
export type { Publication } from './state/publisher.ts'
export type { StorePlaces } from './store/open-store.ts'
export { AuthorityInstance, type AuthorityInstanceOptions } from './instances/authority-instance.ts'
export { type InstanceServer, type InstanceServerOptions, serveInstance } from './instances/serve-instance.ts'
export type { Declared } from './operations/declared-view.ts'
export type { DeclaredWindow, WindowState } from './operations/windows.ts'
export type { Incident, IncidentStep } from './operations/incident.ts'
export { type AuthorityMeter, openAuthorityMeter } from './authority-metrics.ts'
