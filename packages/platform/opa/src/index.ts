export { OpaError, type OpaErrorDetails } from './opa-errors.ts'
export type { OpaOptions, OpaOutcome } from './opa-options.ts'
export { type OpaServerOptions, openOpaServer } from './opa-server.ts'
export { type OpaWasmOptions, openOpaWasm } from './opa-wasm.ts'
