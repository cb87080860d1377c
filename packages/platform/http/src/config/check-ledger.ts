import { parseVkey } from '@quantum-ip/crypto'
import { isNode, type Path } from '../lib/schema-tree.ts'
import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'
import { isLoopback } from './units.ts'

/** Which keys of `ledger.publish` exclude or need each other. */
export function checkPublishShape(ledger: unknown): ConfigFault[] {
  const publish = isNode(ledger) ? ledger['publish'] : undefined
  if (!Array.isArray(publish)) return []
  return publish.flatMap((row: unknown, index) => checkPlace(row, ['ledger', 'publish', index]))
}

function checkPlace(row: unknown, path: Path): ConfigFault[] {
  if (!isNode(row)) return []
  const { directory, s3 } = row
  if ((directory === undefined) === (s3 === undefined)) {
    const next = 'write `- directory: …` or `- s3: { … }`, each as an item of its own'
    return [{ path, reason: 'needs one of `directory` and `s3`', next }]
  }
  if (!isNode(s3)) return []
  return ['endpoint', 'bucket', 'credentialsFile']
    .filter((name) => s3[name] === undefined)
    .map((name) => ({ path: [...path, 's3'], reason: `lacks \`${name}\`` }))
}

/** What is wrong between the keys of `ledger`, `mirror` and `trust` whose single values are right. */
export function checkBeyond(config: Config): ConfigFault[] {
  const { ledger, mirror, trust } = config
  const faults: ConfigFault[] = [
    ...checkWitnesses(
      ledger.witnesses.map(({ vkey }) => vkey),
      ['ledger', 'witnesses'],
    ),
    ...checkWitnesses(trust.witnesses.vkeys, ['trust', 'witnesses', 'vkeys']),
    ...checkQuorum(ledger.quorum, ledger.witnesses.length, ['ledger', 'quorum']),
    ...checkQuorum(trust.witnesses.quorum, trust.witnesses.vkeys.length, ['trust', 'witnesses', 'quorum']),
  ]
  const isOpen = !isLoopback(mirror.listen.host)
  if (isOpen && mirror.tls === undefined) {
    const next =
      'listen on `127.0.0.1`, or give `mirror.tls` a certificateFile and keyFile, or selfSigned: true'
    faults.push({
      path: ['mirror', 'listen'],
      reason: 'the tokens of readers would travel unencrypted',
      next,
    })
  }
  if (isOpen && mirror.readersFile === undefined) {
    const next = 'write a random token into a file with mode 0600 and name it in `mirror.readersFile`'
    faults.push({
      path: ['mirror', 'listen'],
      reason: 'everybody could read attestations and revocations',
      next,
    })
  }
  return faults
}

function checkWitnesses(vkeys: readonly string[], path: Path): ConfigFault[] {
  const seen = new Set<string>()
  return vkeys.flatMap((text, index) => {
    const { name, key } = parseVkey(text)
    const isTwice = seen.has(name) || seen.has(key.kid)
    seen.add(name).add(key.kid)
    const reason = 'this witness is listed twice: one witness, one key'
    return isTwice ? [{ path: [...path, index], reason }] : []
  })
}

function checkQuorum(quorum: number, count: number, path: Path): ConfigFault[] {
  return quorum > count ? [{ path, reason: `more than the ${count} witnesses that are listed` }] : []
}
