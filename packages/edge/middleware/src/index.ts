export { type QuantumIpCall } from './call.ts'
export {
  type CallToJudge,
  createQuantumIp,
  type JudgedCall,
  type PassedCall,
  type QuantumIp,
  type QuantumIpOptions,
  type RefusedCall,
} from './quantum-ip.ts'
export { type AuthorityPlace, type OpenQuantumIpOptions, type RecordOptions } from './open-options.ts'
export { type OpenedQuantumIp, openQuantumIp } from './open-quantum-ip.ts'
