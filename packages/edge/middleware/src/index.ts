export { type QuantumIpCall } from './call.ts'
export { createQuantumIp, type QuantumIpOptions } from './create-quantum-ip.ts'
export {
  type CallToJudge,
  type JudgedCall,
  type PassedCall,
  type QuantumIp,
  type QuantumIpParts,
  type RefusedCall,
} from './quantum-ip.ts'
export { type AuthorityPlace, type OpenQuantumIpOptions, type RecordOptions } from './open-options.ts'
export { type OpenedQuantumIp, openQuantumIp } from './open-quantum-ip.ts'
