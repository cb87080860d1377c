import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { encodeClaims, formatMerkleToken } from '@quantum-ip/token'
import { commands } from '../src/commands.ts'
import { qip } from './support/qip.ts'
import { run } from './support/run.ts'

let folder = ''
const at = (name: string) => join(folder, name)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-commands-'))
})

after(() => rm(folder, { recursive: true }))

test('the overview names every command and every exit code', async () => {
  const { code, stdout } = await run([])
  assert.equal(code, 0)
  for (const name of Object.keys(commands)) assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
  for (const exit of ['0', '1', '2', '3', '70']) assert.match(stdout, new RegExp(`^  ${exit} +\\S`, 'm'))
})

test('every command loads, has help, and takes --json', async () => {
  for (const name of Object.keys(commands)) {
    const { code, stdout } = await run([name, '--help'])
    assert.equal(code, 0, name)
    assert.match(stdout, new RegExp(`^Usage: qip ${name}`), name)
  }
})

for (const [title, args, expected] of [
  [
    'a command that does not exist',
    ['conformence'],
    'qip: there is no command `conformence`\n  next: did you mean `qip conformance`?\n  code: QIP_CLI_COMMAND_UNKNOWN\n',
  ],
  [
    'an option that does not exist',
    ['config', 'check', '--jsn'],
    'qip: unknown option `--jsn`\n  next: did you mean --json?\n  code: QIP_CLI_USAGE\n',
  ],
  [
    'an argument that is missing',
    ['verify'],
    'qip: missing required argument `artifact`\n  next: see `qip verify --help`\n  code: QIP_CLI_USAGE\n',
  ],
  [
    'an option that is missing',
    ['incident', 'open', 'shop refuses'],
    'qip: required option `--severity <severity>` not specified\n  next: see `qip incident open --help`\n  code: QIP_CLI_USAGE\n',
  ],
  [
    'a reason that no decision can have',
    ['decisions', '--reason', 'token_expird', '--authority', 'http://127.0.0.1:1'],
    'qip: --reason: no decision has `token_expird`\n  next: did you mean `token_expired`?\n  code: QIP_CLI_USAGE\n',
  ],
  [
    'a URL beside a checklist',
    ['doctor', 'https://shop.acme.example/', '--checklist', 'incident'],
    'qip: a checklist sends no probes, so that a URL says nothing to it\n  next: leave out the URL or `--checklist`: they are two commands, one after the other\n  code: QIP_CLI_USAGE\n',
  ],
  [
    'a file that is not there',
    ['policy', 'check', '/nowhere/p.yaml'],
    'qip: the policy `/nowhere/p.yaml` cannot be read: there is no such file\n  next: check the path and its permissions\n  code: QIP_CLI_FILE_UNREADABLE\n',
  ],
] as const) {
  test(`says what is wrong with ${title}, and what to do`, async () => {
    const { code, stdout, stderr } = await run(args)
    assert.deepEqual([code, stdout, stderr], [2, '', expected])
    const json = await run([...args, '--json'])
    assert.deepEqual([json.code, Object.keys(json.json()), json.stderr], [2, ['code', 'message', 'next'], ''])
  })
}

test('writes a policy that checks, and finds what is wrong with one', async () => {
  const file = at('policy.yaml')
  const written = await run(['policy', 'new', 'shop', '--out', file])
  assert.equal(written.stdout, `written ${file}\n  next: qip policy check ${file}\n`)
  assert.equal((await run(['policy', 'new', 'shop', '--out', file])).code, 2)
  assert.equal((await run(['policy', 'check', file])).stdout, 'ok shop version 1: 2 rules, mode monitor\n')
  await writeFile(
    file,
    (await run(['policy', 'new', 'shop'])).stdout.replace('verdict.status ==', 'verdict.statu =='),
  )
  const wrong = await run(['policy', 'check', file])
  assert.equal(wrong.code, 1)
  assert.match(
    wrong.stdout,
    /unknown fact `verdict\.statu` at `spec\.rules\[0\]\.when` \(line \d+, column \d+\)/,
  )
  assert.match(wrong.stdout, /next: did you mean `verdict\.status`\?/)
  assert.equal((await run(['policy', 'new', 'NOT A NAME'])).code, 2)
})

test('writes a policy with tests that hold, and says what was decided where one does not', async () => {
  const file = at('tested.policy.yaml')
  const tests = at('tested.tests.yaml')
  const written = await run(['policy', 'new', 'shop', '--out', file, '--tests'])
  assert.equal(written.stdout, `written ${file}\nwritten ${tests}\n  next: qip policy test ${file}\n`)
  const good = await run(['policy', 'test', file, '--all-rules'])
  assert.equal(good.code, 0, good.stderr + good.stdout)
  assert.match(good.stdout, /7 of 7 cases as expected/)
  assert.deepEqual((await run(['policy', 'test', tests, '--json'])).code, 0)
  const head = 'apiVersion: quantum-ip.dev/v1\nkind: PolicyTests\npolicy: tested.policy.yaml\n'
  const one = '  - { name: old builds, facts: { build.slsaLevel: 2 }, expect: { action: allow, rule: null } }'
  await writeFile(at('wrong.tests.yaml'), `${head}cases:\n${one}\n`)
  const wrong = await run(['policy', 'test', at('wrong.tests.yaml')])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stdout, /FAIL old builds\s+quarantine, by unattested-builds/)
  assert.match(wrong.stdout, /action: - allow \+ quarantine\n\s+rule: - none \+ unattested-builds/)
  assert.match(wrong.stdout, /decided {2}unattested-builds: verdict.status[^\n]*\n[^\n]*build.slsaLevel = 2/)
  assert.match(wrong.stdout, /but no case is decided by rule registry-outage/)
  const json = JSON.parse((await run(['policy', 'test', at('wrong.tests.yaml'), '--json'])).stdout) as {
    readonly files: readonly { readonly unreached: unknown }[]
  }
  assert.deepEqual(json.files[0]?.unreached, { rules: ['registry-outage'], exceptions: [] })
  await writeFile(at('typo.tests.yaml'), `${head}cases: [{ name: x, facts: { buidl: null }, expect: allow }]`)
  assert.match(
    (await run(['policy', 'test', at('typo.tests.yaml')])).stderr,
    /`buidl`.*nearest known one is `build`/,
  )
})

test('says which exceptions of a policy have ended, or soon will, and refuses one without end', async () => {
  const file = at('exceptions.yaml')
  const text = (await run(['policy', 'new', 'shop'])).stdout
  const withEnds = (...ends: readonly number[]) => {
    const exceptions = ends.map((days, n) => ({
      name: `e${n}`,
      owner: 'team-shop',
      reason: 'CHG-1234',
      expires: `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19)}Z`,
      when: 'request.method == "GET"',
      action: 'allow',
    }))
    return writeFile(
      file,
      text.replace('  rules:\n', `  exceptions: ${JSON.stringify(exceptions)}\n  rules:\n`),
    )
  }
  await withEnds(-1, 1, 20)
  const { code, stdout } = await run(['policy', 'check', file])
  assert.equal(code, 0)
  assert.match(stdout, /but exception `e0` of policy shop has ended \(.* ago\): take it out/)
  assert.match(stdout, /but exception `e1` of policy shop ends soon \(.*in .*\): team-shop owns it/)
  assert.doesNotMatch(stdout, /e2/)
  await withEnds(31)
  const refused = await run(['policy', 'check', file])
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /spec.exceptions\[0\].expires.*expected an end at most 30 days ahead/)
})

test('`qip serve` says what is wrong with a role before it reads a configuration', async () => {
  for (const [role, next] of [
    ['gatewy', /use one of authority, gateway, /],
    ['toString', /use one of authority/],
    ['sidecar', /`qip sidecar`/],
  ] as const) {
    const told = await run(['serve', '--role', role, '--config', at('none.yaml'), '--json'])
    assert.equal(told.code, 2, role)
    assert.match(told.stdout, new RegExp(`\`${role}\` is no role`))
    assert.match(told.stdout, next)
  }
})

test('checks a configuration, with the policies that it names', async () => {
  const file = at('quantum-ip.yaml')
  await writeFile(file, 'trustDomain: spiffe://acme.example\npolicies: { files: [p.yaml] }\n')
  await writeFile(at('p.yaml'), (await run(['policy', 'new', 'default'])).stdout)
  assert.equal((await run(['config', 'check', file])).code, 0)
  const shop = 'spiffe://acme.example/sa/shop'
  const route = `gateway: { routes: [{ service: ${shop}, upstream: 'http://127.0.0.1:1', policy: other }] }\n`
  await writeFile(file, `trustDomain: spiffe://acme.example\nservices: [{ id: ${shop} }]\n${route}`)
  const unknown = await run(['config', 'check', file, '--json'])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stdout, /names the policy `other`/)
  for (const asked of ['forwardAuth', 'extAuthz']) {
    const routes = `${asked}: { routes: [{ service: ${shop}, policy: other }] }\n`
    await writeFile(file, `trustDomain: spiffe://acme.example\nservices: [{ id: ${shop} }]\n${routes}`)
    const refused = await run(['config', 'check', file, '--json'])
    assert.equal(refused.code, 1, asked)
    assert.ok(refused.stdout.includes(`${asked}.routes[0] names the policy \`other\``), refused.stdout)
  }
  await writeFile(
    file,
    `trustDomain: spiffe://acme.example\nservices: [{ id: ${shop} }]\npolicies: { authority: [other] }\n${route}`,
  )
  const published = await run(['config', 'check', file])
  assert.equal(published.code, 0, published.stdout)
  await writeFile(file, 'trustDoman: x\nlalala: 3\n')
  const { code, stdout } = await run(['config', 'check', file, '--json'])
  assert.equal(code, 1)
  const { faults } = JSON.parse(stdout) as { faults: { code: string }[] }
  assert.deepEqual(
    faults.map((fault) => fault.code),
    ['QIP_HTTP_CONFIG_UNKNOWN_KEY', 'QIP_HTTP_CONFIG_UNKNOWN_KEY'],
  )
})

test('shows every value of a configuration and where it comes from', async () => {
  const file = at('shown.yaml')
  await writeFile(file, 'trustDomain: spiffe://acme.example\n')
  const { stdout } = await run(['config', 'show', file])
  assert.match(stdout, /^trustDomain: spiffe:\/\/acme\.example +# line 1$/m)
  assert.match(stdout, /^region: local +# default$/m)
  assert.equal((await run(['config', 'show', at('none.yaml')])).code, 2)
})

test('repeats no token, join token or credential that stands in the wrong place', async () => {
  for (const secret of [
    'qipj1.SECRETSECRET',
    'qipr1.SECRETSECRET',
    'qipo1.SECRET.SECRET',
    ended,
    'eyJhbGciSECRETSECRET.SECRET',
  ]) {
    const text = secret.slice(secret.indexOf('.') + 1).slice(0, 12)
    for (const args of [
      [secret],
      ['token', secret],
      ['verify', secret],
      ['explain', secret],
      ['ledger', 'get', secret],
    ]) {
      const { stdout, stderr } = await run([...args, '--json'])
      assert.ok(!(stdout + stderr).includes(text), `${args.join(' ')}: ${stdout}`)
    }
  }
})

// Claims without any secret: nobody could be deceived with this token.
const ended = formatMerkleToken({
  claimsBytes: encodeClaims({
    sub: 'spiffe://acme.example/sa/checkout',
    aud: ['spiffe://acme.example/sa/shop'],
    iat: 1_800_000_000,
    exp: 1_800_000_060,
    jti: new Uint8Array(16),
    use: 1,
    bld: new Uint8Array(32).fill(1),
    bev: 2,
    att: [1, 7],
    cnf: { jkt: new Uint8Array(32).fill(2) },
    req: new Uint8Array(32).fill(3),
    chn: [{ sid: 'spiffe://acme.example/sa/web', attLog: 0, attIndex: 0, log: 3, index: 9 }],
  }),
  keyId: 0x01020304,
  index: 5,
  start: 4,
  end: 8,
  path: [new Uint8Array(32), new Uint8Array(32)],
})

test('explains every field of a token', async () => {
  const { code, stdout } = await run([
    'token',
    'inspect',
    ended,
    '--audience',
    'spiffe://acme.example/sa/other',
  ])
  assert.equal(code, 0)
  for (const part of [
    /use +once\n/,
    /build +sha256:0101/,
    /measured: a node agent hashed what it started/,
    /attested +attestations\/1, entry 7/,
    /bound to +key AgIC/,
    /request +AwMD/,
    /chain +1\. spiffe:\/\/acme\.example\/sa\/web/,
    /nonce +not shown/,
    /key +01020304/,
    /batch +\[4, 8\)/,
    /proof +2 hashes, 64 bytes/,
    /fails +audience +it is not for spiffe:\/\/acme\.example\/sa\/other/,
    /open +binding/,
    /open +replay/,
  ])
    assert.match(stdout, part)
})

test('the real binary exits as the table says, and reads a token from a pipe', async () => {
  const inspected = await qip(['token', 'inspect', '--json'], { input: `Quantum-IP: ${ended}\n` })
  assert.deepEqual([inspected.code, inspected.stderr], [0, ''])
  assert.equal((await qip(['token', 'inspect', 'rubbish'])).code, 1)
  assert.equal((await qip(['nothing'])).code, 2)
  assert.match((await qip(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
})
