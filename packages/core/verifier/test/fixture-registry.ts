import {
  attestationEntry,
  buildEvidence,
  buildProvenance,
  encodeAttestationEntry,
  signStatement,
} from '@quantum-ip/attestation'
import { type Envelope, noteKeyTypes, type Signer } from '@quantum-ip/crypto'
import { leafHash, signCheckpoint } from '@quantum-ip/log'
import { nullEntry } from '@quantum-ip/token'
import type { AttestationAnswer, AttestationSource, AttestationTuple } from '../src/index.ts'
import { FixtureTree } from './fixture-log.ts'
import type { FixtureTrust } from './fixture-trust.ts'

/** What a test build is said to be. */
export interface TestBuild {
  /** SHA-256 of the artifact. Default: drawn. */
  readonly build?: Uint8Array
  /** Default: the domain's builder. */
  readonly builder?: string
  /** Signed by these keys of the domain. Default: the builder's set. */
  readonly signedBy?: readonly string[]
  readonly source?: string
}

/** An attestation that was registered. */
export interface TestAttestation {
  readonly build: Uint8Array
  /** The claim `att` that names it. */
  readonly att: readonly [number, number]
  readonly index: number
  readonly envelope: Envelope
}

/** The registry and attestation log of a test domain: one log, one builder with a hybrid key set. */
export class FixtureRegistry implements AttestationSource {
  readonly tree = new FixtureTree()
  readonly builder = 'https://ci.acme.example/release'
  /** How often it was asked. */
  asked = 0
  /** Set it to make the registry unreachable. */
  isDown = false
  readonly #domain: FixtureTrust
  readonly #entries = new Map<number, { envelope: Envelope; build: Uint8Array; timeMs: number }>()

  constructor(domain: FixtureTrust) {
    this.#domain = domain
    const { origin, builder } = this
    domain.addKey('ledger', 'qip-log', 'ML-DSA-44', { name: origin, log: origin })
    domain.addKey('builder/pq', 'qip-build', 'ML-DSA-65', { name: builder })
    domain.addKey('builder/classic', 'qip-build', 'Ed25519', { name: builder })
    this.tree.append(leafHash(nullEntry()))
  }

  get origin(): string {
    return `${this.#domain.name}/attestations/1`
  }

  /** Signs and registers an attestation. The next state lists the log at its new size. */
  async attest(options: TestBuild = {}): Promise<TestAttestation> {
    const build = options.build ?? this.#domain.random.bytes(32)
    const timeMs = this.#domain.clock.now()
    const payload = buildProvenance({
      artifacts: [{ name: 'checkout.tgz', build }],
      builderId: options.builder ?? this.builder,
      buildType: 'https://acme.example/build/v1',
      source: {
        uri: options.source ?? 'git+https://git.acme.example/shop/checkout',
        ref: 'refs/tags/v1.2.3',
        commit: '0123456789abcdef0123456789abcdef01234567',
      },
      finishedOnMs: timeMs - 60_000,
    })
    const names = options.signedBy ?? ['builder/pq', 'builder/classic']
    const envelope = await signStatement(
      payload,
      names.map((name) => this.#signer(name)),
    )
    const entry = attestationEntry(envelope, build, timeMs)
    const index = this.tree.append(leafHash(encodeAttestationEntry(entry)))
    this.#entries.set(index, { envelope, build, timeMs })
    return { build, att: [1, index], index, envelope }
  }

  /** Changes what the registry answers with, as a damaged or hostile one would. */
  replace(index: number, envelope: Envelope): void {
    const entry = this.#entries.get(index)
    if (entry !== undefined) this.#entries.set(index, { ...entry, envelope })
  }

  async evidence(index: number): Promise<string | undefined> {
    const known = this.#entries.get(index)
    if (known === undefined) return undefined
    const { origin, tree } = this
    const { envelope, build, timeMs } = known
    const checkpoint = await signCheckpoint({ origin, size: tree.size, root: tree.root() }, [
      { name: origin, type: noteKeyTypes.mlDsa44, signer: this.#signer('ledger') },
    ])
    const proof = tree.proof(index, { start: 0, end: tree.size })
    const entry = attestationEntry(envelope, build, timeMs)
    return buildEvidence({ envelope, receipt: { origin, index, entry, proof, checkpoint } })
  }

  async fetchAttestation({ origin, index }: AttestationTuple): Promise<AttestationAnswer | undefined> {
    this.asked += 1
    if (this.isDown) throw new Error('the registry is away')
    const evidence = origin === this.origin ? await this.evidence(index) : undefined
    return evidence === undefined ? undefined : { evidence, source: 'local' }
  }

  #signer(name: string): Signer {
    return this.#domain.key(name).signer
  }
}
