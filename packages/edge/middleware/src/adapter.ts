// For adapters of further frameworks. Without `openQuantumIp`, so that what starts often loads no client.
export { type QuantumIpCall } from './call.ts'
export { isReserved, reservedFields } from './lib/fields.ts'
export { guardNode, type NodeExchange } from './lib/node-guard.ts'
export { coordinates } from './lib/node-request.ts'
export {
  type CallToJudge,
  createQuantumIp,
  type JudgedCall,
  type QuantumIp,
  type QuantumIpOptions,
} from './quantum-ip.ts'
