export { edgeScript, type EdgeScriptKind } from './edge-script.ts'
export { EdgeState, type EdgeStateChanges, type EdgeStateOptions } from './edge-state.ts'
export {
  type EdgeStateWriter,
  type EdgeStateWriterOptions,
  openEdgeStateWriter,
} from './edge-state-writer.ts'
export { InproxyError, type InproxyErrorDetails } from './inproxy-errors.ts'
