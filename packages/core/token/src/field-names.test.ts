import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldKind, headerNames, metadataNames } from './field-names.ts'

const spellings: readonly (readonly [name: string, kind: ReturnType<typeof fieldKind>])[] = [
  ['Quantum-IP', 'token'],
  ['quantum-ip', 'token'],
  ['QUANTUM_IP', 'token'],
  ['quantum.ip', 'token'],
  ['Quantum-IP-Head', 'head'],
  ['quantum_ip-HEAD', 'head'],
  ['Quantum-IP-Status', 'status'],
  ['quantum-ip-status', 'status'],
  ['Quantum_IP_Status', 'status'],
  ['QUANTUM-ip_sTATUS', 'status'],
  ['quantum_ip-status', 'status'],
  ['quantum~ip^status', 'status'],
  ['', undefined],
  ['quantumip', undefined],
  ['quantumxip', undefined],
  ['quantum0ip', undefined],
  ['quantum-ip-', undefined],
  ['x-quantum-ip', undefined],
  ['quantum-ip-state', undefined],
  ['quantum-ip-statuz', undefined],
  ['quantum--ip-statu', undefined],
  ['authorization', undefined],
  ['authorizat', undefined],
  // 0x51 + 0x20 is `q`, 0x11 + 0x40 is not: bits that merely look like a change of case do not count.
  ['\u0011uantum-ip', undefined],
  ['ſuantum-ip', undefined],
]

for (const [name, kind] of spellings) {
  test(`takes \`${name}\` for ${kind ?? 'nothing of ours'}`, () => assert.equal(fieldKind(name), kind))
}

test('knows its own names', () => {
  for (const kind of ['token', 'head', 'status'] as const) {
    assert.equal(fieldKind(headerNames[kind]), kind)
    assert.equal(fieldKind(metadataNames[kind]), kind)
    assert.equal(metadataNames[kind], headerNames[kind].toLowerCase())
    // What gRPC allows in the key of a text value.
    assert.match(metadataNames[kind], /^[a-z0-9-]+(?<!-bin)$/)
  }
})
