import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { type TestCertificate, makeCertificate } from './support/certificates.ts'
import { openNginx } from './support/real-proxies.ts'
import { type Asked, ask, openScene } from './support/scene.ts'

const nginx = await needComponent('nginx')

/** A block of the guide, which is what runs here. */
async function snippet(language: string): Promise<string> {
  const guide = await readFile(
    new URL('../../../../docs/guides/proof-of-possession.md', import.meta.url),
    'utf8',
  )
  const found = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(guide)?.[1]
  assert.ok(found, `the guide has no ${language}`)
  return found
}

test(
  'nginx ends TLS, and a token is bound to the certificate that its client showed',
  { skip: nginx.skip },
  async () => {
    const server = makeCertificate('nginx')
    const [caller, other] = [makeCertificate('caller'), makeCertificate('other')] as const
    const clientCertificates = { from: 'nginx', peers: ['127.0.0.1'] } as const
    await using scene = await openScene({ listeners: [{ detail: 'internal', clientCertificates }] })
    const text = await snippet('nginx')
    await using front = await openNginx(nginx, {
      listen: 'ssl',
      server: text.replace('http://127.0.0.1:8080', `http://127.0.0.1:${scene.port}`),
      files: {
        'server.pem': server.cert,
        'server.key': server.key,
        'clients.pem': `${caller.cert}${other.cert}`,
      },
    })
    const { text: token } = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    const as = (client?: TestCertificate, fields: readonly string[] = []): Promise<Asked> =>
      ask(front.port, {
        token,
        fields,
        secure: true,
        ca: server.cert,
        ...(client && { cert: client.cert, key: client.key }),
      })
    const passed = await as(caller)
    assert.equal(passed.status, 200, passed.body)
    assert.equal(passed.field('x-ssl-client-cert'), undefined)
    const spoofed = ['X-SSL-Client-Verify', 'SUCCESS', 'X-SSL-Client-Cert', encodeURIComponent(caller.cert)]
    for (const refused of [
      await as(other),
      await as(),
      await as(other, spoofed),
      await as(undefined, spoofed),
    ]) {
      assert.equal(refused.problem['reason'], 'binding_mismatch')
    }
  },
)
