export { asksForAnother } from './asks-for-another.ts'
export { type Challenge, formatChallenge, readChallenge } from './challenge.ts'
export { decodeClaims, encodeClaims } from './claims-cbor.ts'
export { claimsToJson, parseClaimsJson } from './claims-json.ts'
export { checkClaims } from './claims-rules.ts'
export { copyClaims } from './copy-claims.ts'
export type { BindingEvidence, Claims, Confirmation, Hop } from './claims.ts'
export { fieldKind, type FieldKind, headerNames, metadataNames } from './field-names.ts'
export { formatIdentifier, parseIdentifier, quantumIpIdentifier } from './identifier.ts'
export { type Jws, parseJws, verifyJws } from './jws.ts'
export {
  type JwtToken,
  type JwtTokenParts,
  jwtPayload,
  parseJwtToken,
  signJwtToken,
  verifyJwtToken,
} from './jwt-token.ts'
export type { KeySig } from './key-signature.ts'
export {
  formatMerkleToken,
  type MerkleToken,
  type MerkleTokenParts,
  parseMerkleToken,
} from './merkle-token.ts'
export {
  proofFieldName,
  proofHeaderName,
  type ProofParts,
  type ProofTarget,
  type ProofToken,
  proofTokenHash,
  readProofTarget,
  readProofToken,
  signProofToken,
  verifyProofToken,
} from './proof-token.ts'
export { extendChain, hopOf } from './provenance-chain.ts'
export { type JwtReadOptions, readJwtToken } from './read-jwt-token.ts'
export { readMerkleToken } from './read-merkle-token.ts'
export { classifyToken, readToken, type Token, type TokenClass } from './read-token.ts'
export {
  formatReferenceToken,
  parseReferenceToken,
  readReferenceToken,
  type ReferenceToken,
} from './reference-token.ts'
export { type BoundRequest, canonicalAuthority, requestBinding } from './request-binding.ts'
export { formatStaple, parseStaple, readStaple, type StapledHead } from './staple.ts'
export { formatStatus, parseStatus, type StatusField } from './status-field.ts'
export {
  claimsLeafHash,
  nullEntry,
  parseTokenEntry,
  tokenDigest,
  type TokenEntry,
  tokenEntry,
  tokenEntryBytes,
  tokenLeafHash,
} from './token-entry.ts'
export { TokenError, type TokenErrorDetails } from './token-errors.ts'
export { fieldValues, readTokenField, tokenField } from './token-fields.ts'
export { type TokenForm, TokenRefusal } from './token-refusal.ts'
export { addTracestateHint, readTracestateHint, removeTracestateHint, tracestateHint } from './tracestate.ts'
