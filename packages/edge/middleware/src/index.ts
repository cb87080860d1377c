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
export { type OpenedQuantumIp, openQuantumIp, type OpenQuantumIpOptions } from './open-quantum-ip.ts'
