import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAdmissionRules } from '@quantum-ip/attestation'
import { Authority, serveAuthority } from '@quantum-ip/authority'

/** A real authority of `spiffe://acme.example`, over TCP and its Unix socket. */
export interface TestAuthority extends AsyncDisposable {
  readonly authority: Authority
  readonly folder: string
  readonly url: string
  /** `unix:…` */
  readonly socket: string
}

/** Opens an authority on a folder of its own. */
export async function openTestAuthority(): Promise<TestAuthority> {
  const td = 'spiffe://acme.example'
  const folder = await mkdtemp(join(tmpdir(), 'qip-cli-'))
  const authority = await Authority.open({
    trustDomain: td,
    places: {
      folder: join(folder, 'data'),
      highWaterFolder: join(folder, 'high-water'),
      custodyFolder: join(folder, 'keys'),
    },
    rules: parseAdmissionRules([{ service: `${td}/ns/prod/sa/*`, builder: 'https://ci.acme.example/*' }]),
    builders: [],
    requireAttestation: [{ service: '**', demand: 'warn' }],
  })
  const path = join(folder, 'authority.sock')
  const services = [
    { id: `${td}/ns/prod/sa/shop`, owner: 'team-shop', tier: 'critical', stage: 'enforced' },
    { id: `${td}/ns/prod/sa/pay`, owner: undefined, tier: 'standard', stage: 'observed' },
  ]
  const served = await serveAuthority({
    authority,
    services,
    listeners: [{ host: '127.0.0.1', port: 0 }, { path }],
  })
  return {
    authority,
    folder,
    url: served.bound[0]?.url ?? '',
    socket: `unix:${path}`,
    async [Symbol.asyncDispose]() {
      await served.close()
      await authority.close()
      await rm(folder, { recursive: true })
    },
  }
}
