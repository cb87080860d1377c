// The programs of docs/guides/proof-of-possession.md, each as a module of its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { systemClock } from '@quantum-ip/base'
import type { TokenPool } from '@quantum-ip/client'
import { generateProofJwk, parseProofSigner } from '@quantum-ip/crypto'
import { createTestAuthority } from '@quantum-ip/testkit'
import { allocateReplayMemory, ReplayFilter, type Verifier } from '@quantum-ip/verifier'
import { boundTo } from '../../../core/verifier/test/possession-cases.ts'
import { makeCertificate } from '../../enforce/test/support/certificates.ts'
import { portOf } from './support/scene.ts'

interface Modules {
  readonly 'call.ts': {
    readonly openShop: (origin: string, jwk: object, tokens: Pick<TokenPool, 'take'>) => typeof fetch
    readonly askShop: (url: string, jwk: object, token: string) => Promise<Response>
  }
  readonly 'service.ts': { openShop(parts: { verifier: Verifier }): Server }
}

let folder = ''
const audience = 'spiffe://acme.example/shop'

before(() => {
  // Within the package, so that its dependencies are found.
  folder = mkdtempSync(join(fileURLToPath(new URL('..', import.meta.url)), '.guide-'))
  const guide = new URL('../../../../docs/guides/proof-of-possession.md', import.meta.url)
  for (const [, name = '', code = ''] of readFileSync(guide, 'utf8').matchAll(
    /```ts (\S+)\n([\s\S]*?)```/g,
  )) {
    // Its address is another one here, and no proxy ends TLS.
    const here = code
      .replace("scheme: 'https',\n", '')
      .replace("proofAuthorities: ['shop.acme.example'],", '')
    writeFileSync(join(folder, name), here)
  }
})

after(() => rmSync(folder, { recursive: true }))

async function load<Name extends keyof Modules>(name: Name): Promise<Modules[Name]> {
  return import(pathToFileURL(join(folder, name)).href) as Promise<Modules[Name]>
}

test('the programs of the guide prove a key and a certificate to each other', async () => {
  const kit = await createTestAuthority({ clock: systemClock })
  const memory = allocateReplayMemory({ bytes: 1_048_576, startedMs: Date.now() - 60_000 })
  const verifier = kit.verifier({ replay: new ReplayFilter(memory) })
  await kit.publish()
  const server = (await load('service.ts')).openShop({ verifier }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${portOf(server)}`
  try {
    const { openShop, askShop } = await load('call.ts')
    const jwk = generateProofJwk('Ed25519')
    const confirmation = boundTo(parseProofSigner(jwk))
    const tokens = { take: () => kit.issue({ audience, confirmation }) }
    const call = openShop(origin, jwk, tokens)
    assert.equal(await (await call(`${origin}/cart`)).text(), kit.service('caller'))
    const { token } = await tokens.take()
    assert.equal((await askShop(`${origin}/cart`, jwk, token)).status, 200)
    assert.equal((await askShop(`${origin}/cart`, generateProofJwk('Ed25519'), token)).status, 401)
    const certificate = makeCertificate('web')
    const bound = await kit.issue({ audience, confirmation: { x5tS256: certificate.thumbprint } })
    const shown = `:${certificate.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`
    const headers = { 'Quantum-IP': bound.token }
    const told = { ...headers, 'Client-Cert': shown }
    assert.equal((await fetch(`${origin}/cart`, { headers: told })).status, 200)
    assert.equal((await fetch(`${origin}/cart`, { headers })).status, 401)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
