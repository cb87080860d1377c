export {
  algorithmSizes,
  type AlgorithmOptions,
  type AlgorithmSizes,
  parseSignatureAlgorithm,
  type SignatureAlgorithm,
} from './algorithms.ts'
export { CryptoError, type CryptoErrorDetails } from './crypto-errors.ts'
export {
  type EnvelopeToSign,
  type EnvelopeToVerify,
  signEnvelope,
  type VerifiedEnvelope,
  verifyEnvelope,
} from './dsse.ts'
export {
  type Envelope,
  envelopeLimits,
  type EnvelopeSignature,
  formatEnvelope,
  pae,
  parseEnvelope,
} from './envelope.ts'
export { jwkThumbprint } from './jwk-thumbprint.ts'
export {
  type AkpPublicJwk,
  type OkpPublicJwk,
  parsePrivateJwk,
  parsePublicJwk,
  type PrivateJwk,
  privateJwk,
  type PublicJwk,
  publicJwk,
  type PublicJwkOptions,
} from './jwk.ts'
export {
  type KemJwk,
  kemJwk,
  parseKemJwk,
  parsePrivateKemJwk,
  type PrivateKemJwk,
  privateKemJwk,
} from './kem-jwk.ts'
export {
  generateKemKey,
  type KemAlgorithm,
  type KemKey,
  type KemPrivateKey,
  kemSecretBytes,
  parseKemKey,
  parseKemPrivateKey,
} from './kem-key.ts'
export {
  generatePrivateKey,
  parsePrivateKey,
  type PrivateKey,
  secretBytes,
  type Signer,
  type SignOptions,
} from './private-key.ts'
export {
  type EcPublicJwk,
  parseProofKey,
  type ProofAlgorithm,
  proofAlgorithms,
  type ProofJwk,
  type ProofKey,
  proofSignatureBytes,
  type ProofToVerify,
  verifyProofSignature,
} from './proof-key.ts'
export { generateProofJwk, parseProofSigner, type ProofSigner, proofSigner } from './proof-signer.ts'
export { parsePublicKey, type PublicKey } from './public-key.ts'
export {
  type FieldToOpen,
  type FieldToSeal,
  openField,
  sealedFieldLimits,
  sealField,
} from './sealed-field.ts'
export { sha256, sha256Into, sha256Latin1 } from './sha256.ts'
export { type SignatureToVerify, signVerified, verifySignature, verifySignatureSync } from './signature.ts'
export {
  checkNoteName,
  formatVkey,
  noteKeyId,
  type NoteKeyInput,
  type NoteKeyType,
  noteKeyTypes,
  type NoteVerifierKey,
  noteVerifierKey,
  parseVkey,
} from './vkey.ts'
