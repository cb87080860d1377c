import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey, privateJwk, publicJwk } from '@quantum-ip/crypto'
import { type Config, parseConfig } from '@quantum-ip/http'

/** The trust domain and services of the demonstration. */
export const demo = {
  td: 'spiffe://acme.example',
  shop: 'spiffe://acme.example/ns/prod/sa/shop',
  checkout: 'spiffe://acme.example/ns/prod/sa/checkout',
  legacy: 'spiffe://acme.example/ns/prod/sa/legacy',
  stock: 'spiffe://acme.example/ns/prod/sa/stock',
  builder: 'https://ci.acme.example/release',
  source: 'git+https://git.acme.example/shop/checkout',
} as const

/** What the demonstration runs on. */
export interface DemoGround {
  readonly folder: string
  readonly configFile: string
  readonly config: Config
  /** The builder's keys: ML-DSA-65 and Ed25519, both required. */
  readonly builderKeys: readonly PrivateKey[]
}

const policyText = `# Written by the demonstration. Builds that nobody attested are served, but apart from the others.
apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: default, version: 1 }
spec:
  mode: enforce
  rules:
    - name: unattested-builds
      when: verdict.status == "verified" && build.slsaLevel < 3
      action: quarantine
      reasons: [ok, ok_shallow]
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`

/**
 * Lays out a fresh trust domain in `folder`: configuration, policy and builder keys. What an earlier demonstration left there
 * is removed.
 */
export async function layOutDemo(
  folder: string,
  upstreams: { readonly shop: string; readonly quarantine: string },
): Promise<DemoGround> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(folder, 'builder'), { recursive: true, mode: 0o700 })
  const builderKeys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
  for (const key of builderKeys) {
    const name = key.publicKey.alg.toLowerCase()
    await writeFile(join(folder, 'builder', `${name}.pub.jwk`), JSON.stringify(publicJwk(key.publicKey)))
    await writeFile(join(folder, 'builder', `${name}.jwk`), JSON.stringify(privateJwk(key)), { mode: 0o600 })
  }
  await writeFile(join(folder, 'policy.yaml'), policyText)
  const text = configText(upstreams)
  const configFile = join(folder, 'quantum-ip.yaml')
  await writeFile(configFile, text)
  return { folder, configFile, config: parseConfig(text, configFile, { directory: folder }), builderKeys }
}

function configText({ shop, quarantine }: { readonly shop: string; readonly quarantine: string }): string {
  return `# Written by the demonstration: the trust domain of a small company, on this machine only.
trustDomain: ${demo.td}
# So that a token can be seen to expire within seconds. The default tolerance is 30s.
trust: { clockTolerance: 1s }
# Any free ports.
authority: { listen: 127.0.0.1:0 }
admission:
  # Lets a build without attestation in, with a warning: the policy decides what becomes of its calls.
  requireAttestation: warn
  builders:
    - id: ${demo.builder}
      slsaLevel: 3
      keyFiles: [builder/ml-dsa-65.pub.jwk, builder/ed25519.pub.jwk]
  rules:
    - service: ${demo.td}/ns/prod/sa/*
      builder: ${demo.builder}
      source: git+https://git.acme.example/shop/*
services:
  - { id: ${demo.shop}, owner: team-shop, tier: critical, stage: enforced }
attestations: { deepCheck: always }
policies: { files: [policy.yaml] }
telemetry: { decisions: { verifiedShare: 100% } }
gateway:
  listen: 127.0.0.1:0
  detail: internal
  routes:
    - service: ${demo.shop}
      upstream: ${shop}
      quarantineUpstream: ${quarantine}
      policy: default
      exempt: [{ path: /healthz }]
`
}
