export { BaseError, type BaseErrorDetails } from './base-errors.ts'
export { compareBytes, concatBytes, equalBytes, lengthPrefixed, u32be, u64be } from './bytes.ts'
export { type Clock, type Random, systemClock, systemRandom } from './clock.ts'
export { base64, base64url, hex, parseBase64, parseBase64url, parseHex, parseUtf8, utf8 } from './encoding.ts'
export {
  type CodedError,
  type ErrorRow,
  type ErrorTable,
  type Fault,
  QipError,
  isQipError,
} from './errors.ts'
export { type Json, type JsonObject, parseJson } from './json.ts'
export { limits } from './limits.ts'
export { nearest } from './nearest.ts'
export { type Pattern, parsePattern } from './pattern.ts'
export {
  type ServiceId,
  type TrustDomain,
  isServiceId,
  parseServiceId,
  parseTrustDomain,
  trustDomainName,
  trustDomainOf,
} from './service-id.ts'
