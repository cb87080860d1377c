import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeepOutcome } from '@quantum-ip/verifier'
import { recheckAttestation } from './recheck-attestation.ts'

const place = { log: 'acme.example/attestations/1', index: 3 }

/** What a fake registry and a fake verifier make of an attestation. */
function stateOf(outcome: DeepOutcome, current: readonly boolean[], build: string | undefined = 'ab') {
  const answers = [...current]
  return recheckAttestation(place, {
    registry: { buildAt: () => Promise.resolve(build) },
    local: {
      isCurrent: () => answers.shift() ?? false,
      verifier: { recheckAttestation: () => Promise.resolve(outcome) },
    },
  })
}

test('a refusal is proof only by a verifier that holds the newest keys before and after, of a fake registry', async () => {
  assert.deepEqual(await stateOf('failed', [true, true]), { state: 'fails', build: 'ab' })
  for (const current of [
    [false, true],
    [true, false],
  ]) {
    assert.deepEqual(await stateOf('failed', current), { state: 'unavailable' })
  }
  assert.deepEqual(await stateOf('passed', [false, false]), { state: 'holds' })
  assert.deepEqual(await stateOf('unavailable', [true, true]), { state: 'unavailable' })
})
