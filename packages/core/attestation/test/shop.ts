import { Buffer } from 'node:buffer'
import { hex } from '@quantum-ip/base'
import {
  type Envelope,
  generatePrivateKey,
  noteKeyTypes,
  type NoteVerifierKey,
  noteVerifierKey,
  type PrivateKey,
  sha256,
  signEnvelope,
} from '@quantum-ip/crypto'
import { leafHash, nodeHash, type NoteSigner, signCheckpoint } from '@quantum-ip/log'
import { seededRandom } from '@quantum-ip/testing'
import {
  type AdmissionRuleText,
  attestationEntry,
  type AttestationEntry,
  type Builder,
  buildProvenance,
  encodeAttestationEntry,
  type Evidence,
  parseAdmissionRules,
  type ProvenanceToBuild,
  signStatement,
  statementPayloadType,
} from '../src/index.ts'

export const builderId = 'https://ci.acme.example/release'
export const origin = 'acme.example/attestations/1'
export const service = 'spiffe://acme.example/ns/prod/sa/shop'
export const timeMs = 1_800_000_000_123

export const key = {
  build: generatePrivateKey('ML-DSA-65', seededRandom('build')),
  buildClassic: generatePrivateKey('Ed25519', seededRandom('build classic')),
  build2: generatePrivateKey('ML-DSA-65', seededRandom('build 2')),
  buildClassic2: generatePrivateKey('Ed25519', seededRandom('build classic 2')),
  log: generatePrivateKey('ML-DSA-44', seededRandom('log')),
  logClassic: generatePrivateKey('Ed25519', seededRandom('log classic')),
  witness: generatePrivateKey('ML-DSA-44', seededRandom('witness')),
}

export const build = sha256(Buffer.from('the artifact'))
export const otherBuild = sha256(Buffer.from('another artifact'))

export const source = {
  uri: 'git+https://git.acme.example/shop/checkout',
  ref: 'refs/tags/v1.2.3',
  commit: 'c0ffee'.repeat(6).concat('c0ff'),
}

export function provenance(change: Partial<ProvenanceToBuild> = {}): Uint8Array {
  return buildProvenance({
    artifacts: [{ name: 'shop-1.2.3.tgz', build }],
    builderId,
    buildType: 'https://ci.acme.example/npm-package/v1',
    source,
    invocationId: 'run 42',
    startedOnMs: timeMs - 60_000,
    finishedOnMs: timeMs - 1_000,
    ...change,
  })
}

export function builder(change: Partial<Builder> = {}): Builder {
  return {
    id: builderId,
    keySets: [[key.build.publicKey, key.buildClassic.publicKey]],
    slsaLevel: 3,
    ...change,
  }
}

export const rule: AdmissionRuleText = {
  service: 'spiffe://acme.example/ns/prod/sa/*',
  builder: builderId,
  source: 'git+https://git.acme.example/shop/*',
  subject: 'shop-*.tgz',
}

export const rules = parseAdmissionRules([rule])

/** The statement, signed by both keys unless told otherwise. */
export function envelope(
  change: Partial<ProvenanceToBuild> = {},
  signers: readonly PrivateKey[] = [key.build, key.buildClassic],
): Promise<Envelope> {
  return signStatement(provenance(change), signers)
}

/** An envelope over any bytes, signed by both keys. */
export function envelopeOf(payload: Uint8Array, payloadType = statementPayloadType): Promise<Envelope> {
  return signEnvelope({ payloadType, payload, signers: [key.build, key.buildClassic] })
}

const before = leafHash(Uint8Array.of(1, 0))
const after = leafHash(Uint8Array.of(9))

/** Where an entry stands in a log of three, at index 1. */
export function inclusion(entry: AttestationEntry) {
  const leaf = leafHash(encodeAttestationEntry(entry))
  return { index: 1, size: 3, proof: [before, after], root: nodeHash(nodeHash(before, leaf), after) }
}

export const logSigner: NoteSigner = {
  name: origin,
  type: noteKeyTypes.mlDsa44,
  signer: key.log,
  timestampS: 1_800_000_001,
}
export const logSignerClassic: NoteSigner = {
  name: origin,
  type: noteKeyTypes.ed25519,
  signer: key.logClassic,
}
export const witnessSigner: NoteSigner = {
  name: 'witness.example',
  type: noteKeyTypes.mlDsa44,
  signer: key.witness,
  timestampS: 1_800_000_009,
}

export function vkey({ name, type, signer }: NoteSigner): NoteVerifierKey {
  return noteVerifierKey({ name, type, key: signer.publicKey })
}

export async function evidence(
  of: Envelope,
  { entry = attestationEntry(of, build, timeMs), signers = [logSigner] } = {},
): Promise<Evidence> {
  const { index, size, proof, root } = inclusion(entry)
  const checkpoint = await signCheckpoint({ origin, size, root }, signers)
  return { envelope: of, receipt: { origin, index, entry, proof, checkpoint } }
}

/** A statement as JSON, to be altered. */
export function statementJson(payload = provenance()): Record<string, unknown> {
  return JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>
}

export function bytesOf(json: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(json))
}

export const buildHex = hex(build)
