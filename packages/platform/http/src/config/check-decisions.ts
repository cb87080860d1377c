import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'

/** What does not fit together in the decision log. */
export function checkDecisions({ telemetry }: Config): ConfigFault[] {
  const { redact, hashKeyFile, seal, perReason, sizeMax, perReasonSizeMax } = telemetry.decisions
  const at = ['telemetry', 'decisions']
  const faults: ConfigFault[] = []
  const hashes = redact.some(({ method }) => method === 'hash')
  if (hashes && hashKeyFile === undefined)
    faults.push({
      path: [...at, 'redact'],
      reason: 'a field is to be hashed, and there is no key for it',
      next: 'name a file of at least 32 random bytes in `hashKeyFile`',
    })
  if (seal !== undefined && seal.keyFile === undefined)
    faults.push({ path: [...at, 'seal'], reason: 'no `keyFile`', next: "name the custodian's public key" })
  for (const [index, { field, method }] of redact.entries()) {
    if (redact.findIndex((row) => row.field === field) !== index)
      faults.push({ path: [...at, 'redact', index], reason: `\`${field}\` is listed twice` })
    if (method === 'drop' && seal?.fields.includes(field) === true)
      faults.push({
        path: [...at, 'redact', index],
        reason: `\`${field}\` is to be dropped here and sealed below`,
        next: 'decide for one of them',
      })
  }
  for (const [index, { reason }] of perReason.entries())
    if (perReason.findIndex((row) => row.reason === reason) !== index)
      faults.push({ path: [...at, 'perReason', index], reason: `\`${reason}\` is listed twice` })
  if (perReasonSizeMax > sizeMax)
    faults.push({
      path: [...at, 'perReasonSizeMax'],
      reason: 'it is more than `sizeMax`, which is for all reasons',
    })
  return faults
}
