import { type Builder, buildProvenance, signStatement } from '@quantum-ip/attestation'
import { utf8 } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, noteKeyTypes, sha256, type Signer } from '@quantum-ip/crypto'
import {
  formatEntryBundle,
  type Log,
  memoryLogStorage,
  openLog,
  parseTilePath,
  signCheckpoint,
} from '@quantum-ip/log'
import { formatSubmission } from '@quantum-ip/mirror'
import type { Authority, BuilderOrder } from '../src/index.ts'

export { issue, openIn } from './support.ts'

/** A builder and its keys. */
export interface Attesting {
  readonly builder: BuilderOrder
  readonly trusted: Builder
  /** The envelope of an artifact. */
  envelope(artifact: string): Promise<string>
  /** A submission, as c2sp.org/tlog-witness has it, of a log that begins like another and goes on differently. */
  forkOf(log: Log, signer: Signer, grown: number): Promise<string>
  /** The files of a log of five entries that begins with the first entry of another and goes on differently. */
  forkedLog(log: Log, signer: Signer): Promise<(path: string) => Promise<Uint8Array | undefined>>
}

/** A builder with new keys. */
export function attesting(): Attesting {
  const id = 'https://ci.acme.example/release'
  const keys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
  const publicKeys = keys.map(({ publicKey }) => publicKey)
  // Signatures are hedged: the same envelope twice has to be kept.
  const envelopes = new Map<string, string>()
  return {
    builder: { id, keys: publicKeys, slsaLevel: 3 },
    trusted: { id, keySets: [publicKeys], slsaLevel: 3 },
    async envelope(artifact) {
      const made = envelopes.get(artifact)
      if (made !== undefined) return made
      const payload = buildProvenance({
        artifacts: [{ name: artifact, build: sha256(utf8(artifact)) }],
        builderId: id,
        buildType: 'https://ci.acme.example/npm',
      })
      const envelope = formatEnvelope(await signStatement(payload, keys))
      envelopes.set(artifact, envelope)
      return envelope
    },
    async forkOf(log, signer, grown) {
      const { origin } = log
      const fork = await openLog({ storage: memoryLogStorage(), origin })
      const { size: old } = log.head()
      await fork.append([...(await log.entries(0, old))])
      await fork.append(Array.from({ length: grown }, (_, at) => utf8(`forged ${at}`)))
      const { size, root } = fork.head()
      const by = { name: origin, type: noteKeyTypes.mlDsa44, signer, timestampS: 1 }
      const note = await signCheckpoint({ origin, size, root }, [by])
      return formatSubmission({ old, proof: await fork.consistencyProof(old), note })
    },
    async forkedLog(log, signer) {
      const { origin } = log
      const fork = await openLog({ storage: memoryLogStorage(), origin })
      await fork.append([await log.entry(0), ...['a', 'b', 'c', 'd'].map((text) => utf8(`forged ${text}`))])
      const { size, root } = fork.head()
      const by = { name: origin, type: noteKeyTypes.mlDsa44, signer, timestampS: 1 }
      const note = await signCheckpoint({ origin, size, root }, [by])
      return async (path) => {
        if (path === 'checkpoint') return utf8(note)
        const tile = parseTilePath(path)
        if ('level' in tile) return fork.tile(tile.level, tile.index, tile.width)
        return formatEntryBundle(await fork.entries(0, tile.width))
      }
    },
  }
}

/** Registers an artifact and returns its evidence. */
export async function attest(authority: Authority, by: Attesting, artifact = 'shop.tgz'): Promise<string> {
  return (await authority.registry.register(await by.envelope(artifact))).registered.evidence
}
