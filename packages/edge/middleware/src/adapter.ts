// For adapters of further frameworks. Without `openQuantumIp` and `createQuantumIp`, so that what starts often loads no client and no
// compiler of policies.
export { type QuantumIpCall } from './call.ts'
export { isReserved, reservedFields } from './lib/fields.ts'
export { guardNode, type NodeExchange } from './lib/node-guard.ts'
export { coordinates } from './lib/node-request.ts'
export {
  assembleQuantumIp,
  type CallToJudge,
  type JudgedCall,
  type QuantumIp,
  type QuantumIpParts,
} from './quantum-ip.ts'
