import { Buffer } from 'node:buffer'
import { inspect } from 'node:util'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isQipError, utf8 } from '@quantum-ip/base'
import { formatEnvelope } from '@quantum-ip/crypto'
import { type Seeded, seeded } from '@quantum-ip/testing'
import {
  attestationEntry,
  buildEvidence,
  encodeAttestationEntry,
  parseAttestationEntry,
  parseProvenance,
  parseStatement,
  verifyAttestation,
  verifyEvidence,
  verifyProvenance,
} from '../src/index.ts'
import { build, builder, envelope, evidence, inclusion, logSigner, provenance, timeMs, vkey } from './shop.ts'

const runs = process.env['QIP_TEST_LONG'] === '1' ? 20_000 : 400

/** A few bytes flipped, cut, doubled or put in; never what it was made from. */
function mutated(bytes: Uint8Array, random: Seeded): Uint8Array {
  let result = Buffer.from(bytes)
  for (let left = random.integer(1, 3); left > 0; left--) {
    const at = random.integer(0, Math.max(0, result.length - 1))
    const end = Math.min(result.length, at + random.integer(1, 40))
    const way = random.integer(0, 4)
    if (way === 0) result[at] = (result[at] ?? 0) ^ (1 << random.integer(0, 7))
    else if (way === 1) result = Buffer.concat([result.subarray(0, at), result.subarray(end)])
    else if (way === 2) result = Buffer.concat([result.subarray(0, end), result.subarray(at)])
    else if (way === 3) result[at] = random.pick([...utf8('0"\\{}[],:-e')])
    else result = Buffer.concat([result.subarray(0, at), random.bytes(3), result.subarray(at)])
  }
  return Buffer.compare(result, bytes) === 0 ? mutated(bytes, random) : result
}

function assertCoded(error: unknown, seed: string): void {
  assert.ok(isQipError(error), `${seed}: ${String(error)}`)
}

test('a mutated statement is read or refused with a code, nothing else', () => {
  for (let n = 0; n < runs; n++) {
    const seed = `statement ${n}`
    try {
      parseProvenance(parseStatement(mutated(provenance(), seeded(seed))))
    } catch (error) {
      assertCoded(error, seed)
    }
  }
})

test('a mutated entry is read as it stands or refused with a code', async () => {
  const bytes = encodeAttestationEntry(attestationEntry(await envelope(), build, timeMs))
  for (let n = 0; n < runs; n++) {
    const seed = `entry ${n}`
    const other = mutated(bytes, seeded(seed))
    try {
      assert.deepEqual(
        Buffer.from(encodeAttestationEntry(parseAttestationEntry(other))),
        Buffer.from(other),
        seed,
      )
    } catch (error) {
      assertCoded(error, seed)
    }
  }
})

test('a mutated payload is never accepted', async () => {
  const signed = await envelope()
  for (let n = 0; n < runs / 4; n++) {
    const seed = `payload ${n}`
    const payload = mutated(signed.payload, seeded(seed))
    await assert.rejects(
      verifyProvenance({ ...signed, payload }, [builder()]),
      (error) => (assertCoded(error, seed), true),
    )
  }
})

test('a mutated stored envelope is never accepted for the entry that was logged', async () => {
  const signed = await envelope()
  const entry = attestationEntry(signed, build, timeMs)
  const text = utf8(formatEnvelope(signed))
  let accepted = 0
  for (let n = 0; n < runs / 2; n++) {
    const seed = `envelope ${n}`
    const other = mutated(text, seeded(seed))
    try {
      await verifyAttestation({
        envelope: other,
        entry,
        inclusion: inclusion(entry),
        build,
        builders: [builder()],
      })
      // White space and unknown members are no part of what an envelope says: it is spelled anew before it is hashed.
      accepted++
    } catch (error) {
      assertCoded(error, seed)
    }
  }
  assert.ok(accepted < runs / 50, `${accepted} accepted`)
})

test('mutated evidence is refused with a code, or says the same', async () => {
  const of = await evidence(await envelope())
  const text = utf8(buildEvidence(of))
  const trust = { builders: [builder()], logKeys: [vkey(logSigner)] }
  const original = await verifyEvidence({ evidence: text, ...trust })
  let accepted = 0
  for (let n = 0; n < runs / 2; n++) {
    const seed = `evidence ${n}`
    try {
      const found = await verifyEvidence({ evidence: mutated(text, seeded(seed)), ...trust })
      assert.deepEqual(found, original, seed)
      accepted++
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      assertCoded(error, seed)
    }
  }
  assert.ok(accepted < runs / 50, `${accepted} accepted`)
})

test('no error holds what an attestation says beyond its builder and digests', async () => {
  const secret = 'marked-secret-do-not-print'
  const payload = Buffer.from(provenance({ invocationId: secret, externalParameters: { password: secret } }))
  for (let n = 0; n < runs; n++) {
    try {
      const other = mutated(payload, seeded(`secret ${n}`))
      parseProvenance(parseStatement(other))
    } catch (error) {
      assert.equal(inspect(error, { depth: 9 }).includes(secret), false)
    }
  }
})
