/** The closed sets of words of the configuration: one place for the schema and for what reads it. */
export const words = {
  protection: ['software', 'hsm'],
  demand: ['off', 'warn', 'on'],
  tier: ['critical', 'standard', 'low'],
  stage: ['observed', 'onboarding', 'enforced'],
  detail: ['public', 'internal'],
  keyExchange: ['preferred', 'required'],
  unanchored: ['audit', 'reject', 'accept'],
  onProof: ['revoke', 'event'],
  checkCertificates: ['peer', 'xfcc'],
  proofKey: ['ML-DSA-44', 'Ed25519', 'ES256'],
  sidecarChain: ['kept', 'required', 'none'],
  forwardQuarantine: ['limited', 'routed'],
  scope: ['single', 'instance', 'shared'],
  onUnavailable: ['reject', 'local'],
  clientCertificate: ['optional', 'required'],
  certificateSource: ['xfcc', 'nginx', 'client-cert'],
  onTimeLimit: ['hold', 'rollback'],
  deepCheck: ['never', 'sampled', 'deferred', 'always'],
  otlpProtocol: ['protobuf', 'json'],
  jwtAlgorithm: ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'ML-DSA-44-Ed25519', 'ML-DSA-65-Ed25519'],
  flowSend: ['proxy-v2', 'none'],
  redaction: ['drop', 'hash'],
  method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'],
} as const

/** The name of one of the sets. */
export type WordSet = keyof typeof words
/** A word of that set. */
export type Word<Set extends WordSet> = (typeof words)[Set][number]
