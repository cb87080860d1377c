import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { admit, openSession, requestJson } from '@quantum-ip/client'
import { type Attest, evidenceFile, openPipeline } from '../src/gameday/attest-build.ts'
import type { LabAuthority } from '../src/gameday/lab-authority.ts'
import type { LabGateway } from '../src/gameday/lab-gateway.ts'
import { Lab, names } from '../src/gameday/lab.ts'
import { type PageCommand, pageCommands, shellWords } from './support/page-commands.ts'
import { run } from './support/run.ts'

// Each command of each runbook and playbook is run against an authority and a gateway that are processes of their own, with
// the reader's words filled in. A page that names something which this test cannot fill in fails.

const root = join(import.meta.dirname, '../../../..')
const pages = ['docs/playbooks', 'docs/runbooks'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((file) => join(folder, file)),
)

/** Commands that are not run here, and why. Their words and options are checked in `gameday.cli.test.ts`. */
const notRun: readonly (readonly [RegExp, string])[] = [
  [/^restore /, 'puts a backup in the place of what is there: `backup.cli.test.ts` runs it'],
  [/^keys root/, 'is a ceremony: `root-ceremony.cli.test.ts` runs it'],
  [/^ledger (?:mirror|witness)/, 'serves until it is stopped: `ledger-beyond.cli.test.ts` runs it'],
]

/** Where another exit code than 0 may be the answer. */
const answersNo: readonly RegExp[] = [
  // Something may be wrong: that is what it is asked for.
  /^doctor --checklist /,
  // The build was revoked, or is not what it seems: an answer, too.
  /^investigate /,
]

const buildAt = /<(?:build|digest[^>]*)>/

interface Ground {
  readonly lab: Lab
  readonly authority: LabAuthority
  readonly gateway: LabGateway
  readonly attest: Attest
  readonly fill: Readonly<Record<string, string>>
}

describe('the commands of runbooks and playbooks', () => {
  let ground: Ground

  before(async () => {
    ground = await prepare()
  })
  after(() => ground.lab[Symbol.asyncDispose]())

  for (const page of pages) {
    const commands = pageCommands(readFileSync(join(root, page), 'utf8'))
    if (commands.length === 0) continue
    test(`${page}: ${commands.length} run as they stand there`, async () => {
      const fill = await fillFor(ground, commands, page)
      for (const command of commands) {
        if (notRun.some(([pattern]) => pattern.test(command.line))) continue
        const args = await wordsOf(ground, command, fill)
        const { code, stdout, stderr } = await run(args)
        const may = answersNo.some((pattern) => pattern.test(command.line)) ? [0, 1] : [0]
        assert.ok(may.includes(code), `qip ${args.join(' ')}: ${code}\n${stdout}${stderr}`)
      }
    })
  }
})

async function prepare(): Promise<Ground> {
  const lab = await Lab.open()
  const services = [{ id: names.shop, owner: 'team-shop', tier: 'critical', stage: 'enforced' }]
  const authority = await lab.startAuthority({ config: { services } })
  const gateway = await lab.startGateway(authority)
  const attest = await openPipeline(lab, authority)
  const socket = `unix:${authority.socket}`
  await lab.call(gateway.url)
  const [session, workload] = [
    join(lab.folder, 'session'),
    await authority.joinToken(names.checkout, 'workload'),
  ]
  const named = ['--audience', names.shop, '--authority', socket]
  const token = (
    await run(['token', 'issue', '--join-token', workload, '--session', session, ...named])
  ).stdout.trim()
  const policy = join(lab.folder, 'shop.policy.yaml')
  assert.equal((await run(['policy', 'new', 'shop', '--out', policy, '--tests'])).code, 0)
  await publishTwice(policy, socket)
  const backup = join(lab.folder, 'backup')
  const made = await run(['backup', backup, '--authority', socket])
  assert.equal(made.code, 0, made.stdout + made.stderr)
  return {
    lab,
    authority,
    gateway,
    attest,
    fill: {
      '<decision>': await reportedDecision(authority),
      '<token>': token,
      '<policy>': policy,
      '<name>': 'shop',
      '<thumbprint>': await issuingKey(authority),
      'policy.yaml': policy,
      '<config>': join(gateway.folder, 'quantum-ip.yaml'),
      './session': session,
      '<newest backup>': backup,
      '<the address of another one>': socket,
      '<gateway>': new URL(gateway.url).host,
      './shop.img': join(lab.folder, 'build.tgz'),
      'shop.evidence.json': join(lab.folder, evidenceFile),
    },
  }
}

/** Two versions, so that there is something to go back to. */
async function publishTwice(file: string, socket: string): Promise<void> {
  const text = readFileSync(file, 'utf8')
  const next = `${file}.next.yaml`
  writeFileSync(next, text.replace('version: 1', 'version: 2'))
  for (const each of [file, next]) {
    const { code, stderr } = await run(['policy', 'publish', each, '--activate', '--authority', socket])
    assert.equal(code, 0, stderr)
  }
}

async function issuingKey(authority: LabAuthority): Promise<string> {
  const { keys } = (await authority.get('/v1/keys')) as {
    keys?: readonly { readonly use: string; readonly state: string; readonly kid: string }[]
  }
  return (keys ?? []).find(({ use, state }) => use === 'qip-token' && state === 'active')?.kid ?? ''
}

async function reportedDecision(authority: LabAuthority): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const [found] = await authority.reported('token_absent')
    if (found !== undefined) return found['id'] as string
    await sleep(100)
  }
  throw new Error('no decision was reported')
}

/** What a page needs of its own: a build that others do not revoke, an event that others do not close. */
async function fillFor(
  { lab, authority, attest, fill }: Ground,
  commands: readonly PageCommand[],
  page: string,
): Promise<Readonly<Record<string, string>>> {
  const own: Record<string, string> = {
    ...fill,
    'case.qip': join(lab.folder, `${page.replaceAll('/', '-')}.qip`),
  }
  const wanted = commands.flatMap(({ placeholders }) => placeholders)
  const digests = wanted.filter((placeholder) => buildAt.test(placeholder))
  if (digests.length > 0 || commands.some(({ line }) => line.includes('./shop.img'))) {
    const build = await attest(`build of ${page}`)
    for (const placeholder of digests) own[placeholder] = build
  }
  if (wanted.includes('<number>')) own['<number>'] = await raiseEvent(lab, authority, page)
  return own
}

/** As a gateway that saw tokens under a key that nobody knows reports it. */
async function raiseEvent(lab: Lab, authority: LabAuthority, page: string): Promise<string> {
  const transport = lab.transport(authority.url)
  const token = await authority.joinToken(`${names.td}/quantum-ip/reporter`, 'verifier')
  using session = openSession({
    transport,
    admission: await admit(transport, { method: 'join-token', evidence: { token } }),
  })
  const keys = [{ td: names.td, key: Buffer.from(page).toString('hex').slice(-8), count: 1_000_000 }]
  await requestJson(session, {
    operation: 'a report',
    method: 'POST',
    target: '/v1/reports',
    json: { point: 'reporter', reports: [{ kind: 'key_unknown', keys }] },
  })
  const { events } = (await authority.get('/v1/events')) as {
    events?: readonly { readonly number: number }[]
  }
  const numbers = (events ?? []).map(({ number }) => number)
  assert.ok(numbers.length > 0, 'no event was raised')
  return String(Math.max(...numbers))
}

async function wordsOf(
  { authority, gateway }: Ground,
  { line }: PageCommand,
  fill: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const service = line.startsWith('revoke ') ? names.other : names.shop
  const filled = line
    .replaceAll('https://<service>', gateway.url)
    .replaceAll('<service>', service)
    .replaceAll(/<[^>]+>/g, (placeholder) => fill[placeholder] ?? placeholder)
  assert.doesNotMatch(filled, /<[^>]+>/, `nothing stands for it here: qip ${line}`)
  const words = shellWords(filled).map((word) => fill[word] ?? word)
  if (words.includes('--authority')) return words
  const command = words.slice(0, 2).filter((word) => !word.startsWith('-'))
  const { stdout } = await run([...command, '--help'])
  return stdout.includes('--authority') ? [...words, '--authority', `unix:${authority.socket}`] : words
}
