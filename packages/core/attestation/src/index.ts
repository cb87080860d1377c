export {
  type AdmissionCriterion,
  type AdmissionDecision,
  type AdmissionRule,
  type AdmissionRuleText,
  decideAdmission,
  parseAdmissionRules,
} from './admission-rules.ts'
export {
  type AttestationEntry,
  attestationEntry,
  attestationEntrySize,
  encodeAttestationEntry,
  type EntrySubject,
  parseAttestationEntry,
  verifyEntry,
} from './attestation-entry.ts'
export { AttestationError, type AttestationErrorDetails } from './attestation-errors.ts'
export { attestationLimits } from './attestation-limits.ts'
export { type BuildFacts, buildFacts, type BuildFactsInput, type SourceFacts } from './build-facts.ts'
export { type Builder, builderOf, type SlsaLevel, verifyBuilder } from './builder.ts'
export { buildEvidence, type Evidence, evidenceMediaType, parseEvidence, type Receipt } from './evidence.ts'
export {
  buildProvenance,
  type BuiltArtifact,
  parseProvenance,
  type Provenance,
  type ProvenanceToBuild,
  provenanceType,
} from './provenance.ts'
export {
  buildsOf,
  buildStatement,
  parseStatement,
  type ResourceDescriptor,
  signStatement,
  type Statement,
  statementPayloadType,
  statementType,
} from './statement.ts'
export {
  type AdmissionCheck,
  type AttestationCheck,
  type EntryInclusion,
  type VerifiedAttestation,
  verifyAttestation,
} from './verify-attestation.ts'
export {
  type EvidenceCheck,
  type LogTrust,
  type VerifiedEvidence,
  verifyEvidence,
} from './verify-evidence.ts'
export { type VerifiedProvenance, verifyProvenance } from './verify-provenance.ts'
