import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { openOpaWasm } from './index.ts'

test('refuses what is no module of compiled Rego', async () => {
  // The smallest module there is: a header, and nothing in it.
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  for (const module of [new Uint8Array(0), Uint8Array.of(1, 2, 3), empty]) {
    await assert.rejects(
      openOpaWasm({ module, file: '/etc/policies/shop.wasm', path: 'quantum_ip/decision' }),
      (error) =>
        isQipError(error, 'QIP_OPA_MODULE_INVALID') &&
        error.message === '`shop.wasm` is no policy in WebAssembly: it cannot be loaded',
    )
  }
})
