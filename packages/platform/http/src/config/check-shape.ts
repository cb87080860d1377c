import type { JsonObject } from '@quantum-ip/base'
import type { ConfigFault } from './fault.ts'
import { isNode, type Path } from '../lib/schema-tree.ts'
import { checkPublishShape } from './check-ledger.ts'
import { checkPoliciesShape } from './check-policies.ts'
import { checkReplayShape } from './check-replay.ts'

/** What JSON Schema would say clumsily: which keys exclude or need each other. Checked before anything is resolved. */
export function checkShape(value: JsonObject): readonly ConfigFault[] {
  return [
    ...checkStoreShape(value['store']),
    ...checkPublishShape(value['ledger']),
    ...checkTls(value['mirror'], ['mirror', 'tls']),
    ...checkCustodyShape(value['custody']),
    ...checkTls(value['gateway'], ['gateway', 'tls']),
    ...checkTls(value['forwardAuth'], ['forwardAuth', 'tls']),
    ...checkTls(value['extAuthz'], ['extAuthz', 'tls']),
    ...checkTls(value['sidecar'], ['sidecar', 'tls']),
    ...checkTls(value['authority'], ['authority', 'tls']),
    ...checkReplayShape(value),
    ...checkPoliciesShape(value['policies']),
  ]
}

function checkStoreShape(store: unknown): ConfigFault[] {
  if (!isNode(store)) return []
  const { sqlite, postgres } = store
  if (sqlite !== undefined && postgres !== undefined) {
    return [{ path: ['store', 'postgres'], reason: 'there is `store.sqlite`, too', next: 'keep one of them' }]
  }
  if (isNode(postgres) && postgres['urlFile'] === undefined) {
    return [
      {
        path: ['store', 'postgres'],
        reason: 'lacks `urlFile`',
        next: 'write the connection URL into a file with mode 0600 and name it here',
      },
    ]
  }
  return []
}

const keyServices = { awsKms: ['region'], googleKms: ['keyRing'], vault: ['url', 'tokenFile'] } as const

function checkCustodyShape(custody: unknown): ConfigFault[] {
  if (!isNode(custody)) return []
  const faults: ConfigFault[] = []
  if (custody['passphraseFile'] !== undefined && custody['systemdCredential'] !== undefined) {
    const reason = 'there is `custody.passphraseFile`, too'
    faults.push({ path: ['custody', 'systemdCredential'], reason, next: 'keep one of them' })
  }
  const [first, second] = Object.keys(keyServices).filter((name) => custody[name] !== undefined)
  if (first !== undefined && second !== undefined) {
    faults.push({
      path: ['custody', second],
      reason: `there is \`custody.${first}\`, too`,
      next: 'keep one of them',
    })
  }
  for (const [name, needed] of Object.entries(keyServices)) {
    const service = custody[name]
    if (!isNode(service)) continue
    const missing = needed.filter((key) => service[key] === undefined)
    for (const key of missing) faults.push({ path: ['custody', name], reason: `lacks \`${key}\`` })
  }
  return faults
}

function checkTls(parent: unknown, path: Path): ConfigFault[] {
  const tls = isNode(parent) ? parent['tls'] : undefined
  if (!isNode(tls)) return []
  const { certificateFile, keyFile, selfSigned } = tls
  const next = 'give certificateFile and keyFile, or selfSigned: true'
  if (selfSigned === true && (certificateFile !== undefined || keyFile !== undefined)) {
    return [{ path, reason: 'both files and selfSigned', next }]
  }
  if (selfSigned === true) return []
  if (certificateFile === undefined && keyFile === undefined)
    return [{ path, reason: 'has no certificate', next }]
  if (certificateFile === undefined) return [{ path, reason: 'lacks `certificateFile`', next }]
  return keyFile === undefined ? [{ path, reason: 'lacks `keyFile`', next }] : []
}
