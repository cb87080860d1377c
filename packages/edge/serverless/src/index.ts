export { type HeldTrustOptions, type TrustPlaceOptions } from './held-trust.ts'
export { type HandlerSource } from './lib/handler-of.ts'
export { ServerlessError, type ServerlessErrorDetails } from './serverless-errors.ts'
export {
  createServerlessPoint,
  type ServerlessPoint,
  type ServerlessPointOptions,
  type ServerlessVerification,
} from './serverless-point.ts'
