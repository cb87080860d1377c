import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { parseHex } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey } from '@quantum-ip/crypto'
import { seeded } from '@quantum-ip/testing'
import type { BuilderOrder } from '../../src/index.ts'

// The same keys in every process of a test.
const keys = [
  generatePrivateKey('ML-DSA-65', seeded('builder of instances')),
  generatePrivateKey('Ed25519', seeded('builder of instances')),
]

/** A builder that all instances know. */
export const builder: BuilderOrder = {
  id: 'https://ci.acme.example/release',
  keys: keys.map(({ publicKey }) => publicKey),
  slsaLevel: 3,
}

/** An attestation of a build, as its pipeline would send it. */
export async function attestationOf(build: string): Promise<string> {
  const payload = buildProvenance({
    artifacts: [{ name: 'app', build: parseHex(build) }],
    builderId: builder.id,
    buildType: 'https://ci.acme.example/npm',
  })
  return formatEnvelope(await signStatement(payload, keys))
}
