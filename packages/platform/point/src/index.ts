export {
  type CertificateSource,
  certificateFields,
  readEscapedCertificate,
  readForwardedCertificate,
} from './forwarded-certificate.ts'
export { type Carried, readCarried, reservedNames } from './carried.ts'
export {
  type DeferredChecks,
  type DeferredChecksOptions,
  type DeferredProof,
  type DeferredRequest,
  openDeferredChecks,
} from './deferred-checks.ts'
export { EnforcementPoint, type Examined } from './enforcement-point.ts'
export { lackingPart, type NameableParts } from './lacking-part.ts'
export { type OpenStream, OpenStreams } from './open-streams.ts'
export { peerAddress } from './peer-address.ts'
export { certificateOf, peerCertificate } from './peer-certificate.ts'
export { type ListedPeers, parseListedPeers } from './listed-peers.ts'
export { type CertificateTellers, ToldCertificates } from './told-certificates.ts'
export { type Admitted, type Outcome, type Refused, removedNames } from './outcome.ts'
export { type DecisionRecorder, type PointOptions, type WatchedRequest } from './point-options.ts'
export { type ClientCertificate, type PointRequest, type RequestCoordinates } from './point-request.ts'
export {
  type AcceptedForms,
  type PointPlace,
  type PointRoute,
  type ServiceTerms,
  createPointRoute,
  routeEnvironment,
} from './point-route.ts'
export { type PointAnswer, type Problem, problemAnswer, problemType } from './problem.ts'
export { QuarantineLimiters, type QuarantinedService, quarantineFullAnswer } from './quarantine-limiters.ts'
export { type QuarantineLimiter } from './quarantine-limiter.ts'
export { type LoadCounter, type LoadCredit, SharedLoad, allocateLoadMemory } from './shared-load.ts'
export {
  ambiguity,
  type Authority,
  readAuthority,
  readTarget,
  type RequestTarget,
  type TargetRefusal,
  targetProblem,
} from './request-target.ts'
export {
  isKnownBad,
  type RevocationFeed,
  type StreamEnd,
  type StreamTerms,
  streamTerms,
} from './stream-terms.ts'
export { verdictJson } from './verdict-json.ts'
