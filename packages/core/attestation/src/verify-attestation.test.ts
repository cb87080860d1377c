import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { type Envelope, formatEnvelope, type PrivateKey } from '@quantum-ip/crypto'
import {
  build,
  builder,
  builderId,
  envelope,
  envelopeOf,
  inclusion,
  key,
  otherBuild,
  provenance,
  rules,
  service,
  timeMs,
} from '../test/shop.ts'
import { parseAdmissionRules } from './admission-rules.ts'
import { attestationEntry, encodeAttestationEntry } from './attestation-entry.ts'
import type { Builder } from './builder.ts'
import { type AttestationCheck, verifyAttestation } from './verify-attestation.ts'
import { verifyProvenance } from './verify-provenance.ts'

describe('the builder', () => {
  const signers: readonly (readonly [title: string, by: readonly PrivateKey[], isEnough: boolean])[] = [
    ['both keys', [key.build, key.buildClassic], true],
    ['both keys in the other order', [key.buildClassic, key.build], true],
    ['both keys and others', [key.build2, key.build, key.buildClassic], true],
    ['the ML-DSA-65 key alone', [key.build], false],
    ['the Ed25519 key alone', [key.buildClassic], false],
    ['the ML-DSA-65 key twice', [key.build, key.build], false],
    ['another ML-DSA-65 key and the Ed25519 key', [key.build2, key.buildClassic], false],
    ['the ML-DSA-65 key and another Ed25519 key', [key.build, key.buildClassic2], false],
  ]
  for (const [title, by, isEnough] of signers) {
    test(`${isEnough ? 'counts' : 'does not count'} with signatures by ${title}`, async () => {
      const result = verifyProvenance(await envelope({}, by), [builder()])
      if (isEnough) assert.deepEqual((await result).signers, builder().keySets[0])
      else await assert.rejects(result, { code: 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT' })
    })
  }

  const old = [key.build.publicKey, key.buildClassic.publicKey]
  const fresh = [key.build2.publicKey, key.buildClassic2.publicKey]
  const both: Builder = builder({ keySets: [old, fresh] })
  const sets: readonly (readonly [title: string, by: readonly PrivateKey[], isEnough: boolean])[] = [
    ['one whole set', [key.build, key.buildClassic], true],
    ['the other whole set', [key.build2, key.buildClassic2], true],
    ['a half of each', [key.build, key.buildClassic2], false],
    ['the other halves', [key.build2, key.buildClassic], false],
  ]
  for (const [title, by, isEnough] of sets) {
    test(`${isEnough ? 'counts' : 'does not count'} with ${title} while it changes its keys`, async () => {
      const result = verifyProvenance(await envelope({}, by), [both])
      if (isEnough) await result
      else await assert.rejects(result, { code: 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT' })
    })
  }

  test('does not count with no keys, an empty set, or nothing but Ed25519', async () => {
    const signed = await envelope()
    for (const keySets of [[], [[]], [[key.buildClassic.publicKey]]]) {
      await assert.rejects(verifyProvenance(signed, [builder({ keySets })]), {
        code: 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT',
      })
    }
  })

  test('with one key twice in its set is a set of one', async () => {
    const keySets = [[key.build.publicKey, key.build.publicKey]]
    await verifyProvenance(await envelope({}, [key.build]), [builder({ keySets })])
  })

  test('is the one that the provenance names, not whoever signed', async () => {
    const other: Builder = { id: 'https://ci.acme.example/nightly', keySets: [fresh], slsaLevel: 1 }
    await assert.rejects(verifyProvenance(await envelope({ builderId: other.id }), [builder(), other]), {
      code: 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT',
    })
    await assert.rejects(
      verifyProvenance(await envelope({ builderId: `${builderId}s` }), [builder(), other]),
      {
        code: 'QIP_ATTESTATION_BUILDER_UNKNOWN',
        details: { builder: `${builderId}s`, nearest: builderId },
      },
    )
  })
})

test('refuses provenance under another payload type, also a signed one', async () => {
  const other = await envelopeOf(provenance(), 'application/json')
  for (const signed of [other, { ...other, payloadType: 'application/vnd.in-toto+json' }]) {
    await assert.rejects(verifyProvenance(signed, [builder()]), (error: { code: string }) =>
      ['QIP_ATTESTATION_STATEMENT_MALFORMED', 'QIP_ATTESTATION_SIGNATURES_INSUFFICIENT'].includes(error.code),
    )
  }
})

test('refuses what is no envelope', async () => {
  for (const input of ['', '{}', '{"payload":"","payloadType":"x","signatures":[]}', new Uint8Array(3)]) {
    await assert.rejects(verifyProvenance(input, [builder()]), {
      code: 'QIP_ATTESTATION_STATEMENT_MALFORMED',
    })
  }
})

async function check(
  change: (signed: Envelope) => Partial<AttestationCheck> = () => ({}),
): Promise<AttestationCheck> {
  const signed = await envelope()
  const entry = attestationEntry(signed, build, timeMs)
  return {
    envelope: signed,
    entry,
    inclusion: inclusion(entry),
    build,
    builders: [builder()],
    ...change(signed),
  }
}

describe('an attestation', () => {
  test('holds from end to end', async () => {
    const admission = { rules, service }
    const {
      facts,
      entry,
      signers,
      admission: decision,
    } = await verifyAttestation(await check(() => ({ admission })))
    assert.equal(facts.builder, builderId)
    assert.deepEqual([entry.timeMs, entry.build], [timeMs, build])
    assert.deepEqual(signers, builder().keySets[0])
    assert.deepEqual(decision?.admitted, true)
  })

  test('holds with text and bytes as they are stored', async () => {
    const whole = await check()
    const { envelope: signed, entry } = whole
    const stored = formatEnvelope(signed as Envelope)
    await verifyAttestation({ ...whole, envelope: stored })
    const encoded = encodeAttestationEntry(entry as ReturnType<typeof attestationEntry>)
    const result = await verifyAttestation({ ...whole, envelope: Buffer.from(stored), entry: encoded })
    assert.equal(result.admission, undefined)
  })

  const refused: readonly (readonly [
    title: string,
    change: (signed: Envelope) => Partial<AttestationCheck>,
    code: string,
  ])[] = [
    ['about another build', () => ({ build: otherBuild }), 'QIP_ATTESTATION_ENTRY_MISMATCH'],
    [
      'whose entry names a build that is no subject',
      (signed) => {
        const entry = attestationEntry(signed, otherBuild, timeMs)
        return { entry, inclusion: inclusion(entry), build: otherBuild }
      },
      'QIP_ATTESTATION_SUBJECT_MISMATCH',
    ],
    [
      'that is not logged',
      (signed) => ({ entry: attestationEntry(signed, build, timeMs + 1) }),
      'QIP_ATTESTATION_NOT_LOGGED',
    ],
    [
      'at another index',
      (signed) => ({ inclusion: { ...inclusion(attestationEntry(signed, build, timeMs)), index: 2 } }),
      'QIP_ATTESTATION_NOT_LOGGED',
    ],
    [
      'in a tree of another size',
      (signed) => ({ inclusion: { ...inclusion(attestationEntry(signed, build, timeMs)), size: 5 } }),
      'QIP_ATTESTATION_NOT_LOGGED',
    ],
    [
      'with a proof of 65 hashes',
      (signed) => {
        const proof = Array.from({ length: 65 }, () => build)
        return { inclusion: { ...inclusion(attestationEntry(signed, build, timeMs)), proof } }
      },
      'QIP_ATTESTATION_NOT_LOGGED',
    ],
    [
      'with an entry of another kind',
      () => ({ entry: new Uint8Array(106) }),
      'QIP_ATTESTATION_ENTRY_MALFORMED',
    ],
    [
      'of an envelope with a signature less than was stored',
      (signed) => ({ envelope: { ...signed, signatures: signed.signatures.slice(0, 1) } }),
      'QIP_ATTESTATION_ENTRY_MISMATCH',
    ],
    ['of an unknown builder', () => ({ builders: [] }), 'QIP_ATTESTATION_BUILDER_UNKNOWN'],
    [
      'that no rule admits',
      () => ({ admission: { rules: parseAdmissionRules([]), service } }),
      'QIP_ATTESTATION_NOT_ADMITTED',
    ],
  ]
  for (const [title, change, code] of refused) {
    test(`is refused ${title}`, async () => {
      await assert.rejects(verifyAttestation(await check(change)), { code })
    })
  }
})
