import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseBase64url } from '@quantum-ip/base'
import { generateProofJwk, parseProofSigner } from '@quantum-ip/crypto'
import { parseConfig } from '@quantum-ip/http'
import { readToken, TokenRefusal } from '@quantum-ip/token'
import { makeCertificate } from '../../../edge/enforce/test/support/certificates.ts'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

// The commands and the configuration of docs/guides/proof-of-possession.md.

const guide = readFileSync(new URL('../../../../docs/guides/proof-of-possession.md', import.meta.url), 'utf8')
const web = 'spiffe://acme.example/ns/prod/sa/web'
const certificate = makeCertificate('web')
const jwk = generateProofJwk('ML-DSA-44')

let ground: TestAuthority
const at = (name: string): string => join(ground.folder, name)

before(async () => {
  ground = await openTestAuthority()
  await writeFile(at('web.pem'), certificate.cert)
  await writeFile(at('web.jwk'), JSON.stringify(jwk), { mode: 0o600 })
  await writeFile(at('web.tgz'), 'a build')
  const authority = ['--authority', ground.socket]
  const joined = await run(['join-token', web, '--out', at('join'), ...authority])
  assert.equal(joined.code, 0, joined.stderr)
  const order = ['token', 'issue', '--audience', web, '--join-token', at('join'), '--session', at('web.json')]
  const first = await run([...order, ...authority])
  assert.equal(first.code, 0, first.stderr)
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

/** A command of the guide, by what it contains, with the files of this run. */
function commandOf(part: string): string[] {
  const line = guide.split('\n').find((each) => each.startsWith('qip ') && each.includes(part))
  assert.ok(line, part)
  const words = line.split(' ').slice(1)
  return words.map((word) => (/^web\.(?:json|pem|jwk)$/.test(word) ? at(word) : word))
}

for (const { option, bound } of [
  { option: '--bind-certificate', bound: () => ({ x5tS256: new Uint8Array(certificate.thumbprint) }) },
  { option: '--bind-key', bound: () => ({ jkt: parseBase64url(parseProofSigner(jwk).key.kid) }) },
]) {
  test(`qip token issue ${option} draws a token that is bound, as the guide has it`, async () => {
    const { code, stdout, stderr } = await run([...commandOf(option), '--raw', '--authority', ground.socket])
    assert.equal(code, 0, stderr)
    const read = readToken(stdout.trim())
    assert.ok(!(read instanceof TokenRefusal) && read.form !== 'reference')
    const { x5tS256, jkt } = read.claims.cnf ?? {}
    assert.deepEqual(
      { ...(x5tS256 && { x5tS256: new Uint8Array(x5tS256) }), ...(jkt && { jkt: new Uint8Array(jkt) }) },
      Object.fromEntries(Object.entries(bound()).map(([name, bytes]) => [name, new Uint8Array(bytes)])),
    )
  })
}

test('qip token issue binds a token to one thing, and says what is wrong with a file', async () => {
  const order = ['token', 'issue', '--audience', web, '--session', at('web.json'), '--json']
  const wrong = [
    ['--bind-key', at('web.jwk'), '--bind-certificate', at('web.pem')],
    ['--bind-key', at('web.pem')],
    ['--bind-certificate', at('web.jwk')],
    ['--bind-certificate', at('nothing.pem')],
  ]
  for (const options of wrong) {
    const ran = await run([...order, ...options, '--authority', ground.socket])
    assert.deepEqual([ran.code, ran.json()['code']], [2, 'QIP_CLI_USAGE'], options.join(' '))
  }
})

test('the configuration of the guide is one, and says what the guide says', () => {
  const blocks = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => text ?? '')
  const read = blocks.map((text) => parseConfig(text, '/etc/qip/quantum-ip.yaml'))
  assert.deepEqual(
    read.map(({ gateway, forwardAuth }) => [
      gateway.clientCertificates?.from,
      forwardAuth.clientCertificates?.from,
      gateway.proofAuthorities,
    ]),
    [
      ['nginx', 'client-cert', undefined],
      [undefined, undefined, ['https://shop.acme.example']],
    ],
  )
})
