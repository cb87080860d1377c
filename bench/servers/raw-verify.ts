// The two verifications of an attestation and nothing else, on the servers' core: how fast this machine could be at best.
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { generatePrivateKey, verifySignature } from '@quantum-ip/crypto'

const keys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
const message = randomBytes(900)
const signed = await Promise.all(
  keys.map(async (key) => ({ key: key.publicKey, message, signature: await key.sign(message) })),
)

async function perS(count: number): Promise<number> {
  const started = performance.now()
  let done = 0
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (done < count) {
        done++
        await Promise.all(signed.map((one) => verifySignature(one)))
      }
    }),
  )
  return (count * 1_000) / (performance.now() - started)
}

await perS(500)
process.stdout.write(`${JSON.stringify({ perS: await perS(2_000) })}\n`)
createInterface({ input: process.stdin }).on('close', () => process.exit(0))
