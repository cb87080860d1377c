import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { commands } from '../src/commands.ts'
import { runbookOf } from '../src/gameday/drill.ts'
import { drills } from '../src/gameday/drills.ts'
import { qip } from './support/qip.ts'
import { run } from './support/run.ts'

const root = join(import.meta.dirname, '../../../..')
const runbook = (name: string) => readFileSync(join(root, runbookOf(name)), 'utf8')

test('lists the drills, each with its runbook', async () => {
  const { code, stdout } = await run(['gameday', 'list'])
  assert.equal(code, 0)
  for (const { name } of drills)
    assert.match(stdout, new RegExp(String.raw`^${name} .*docs/runbooks/${name}\.md$`, 'm'))
})

test('each drill has a runbook of the same five parts, which names the drill', () => {
  for (const { name } of drills) {
    const text = runbook(name)
    assert.deepEqual(
      [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title),
      ['Symptom', 'First command', 'Decision', 'Remedy', 'Verification'],
      name,
    )
    assert.ok(text.includes(`qip gameday ${name}`), name)
  }
})

test('each runbook names the drill that is for it, or says that there is none', () => {
  for (const file of readdirSync(join(root, 'docs/runbooks'))) {
    if (file === 'README.md') continue
    const text = readFileSync(join(root, 'docs/runbooks', file), 'utf8')
    const [, drill] = /Drill: (?:`qip gameday ([a-z-]+)`|none)/.exec(text) ?? [undefined, '?']
    assert.ok(drill === undefined || drills.some(({ name }) => name === drill), `${file}: ${drill}`)
  }
})

test('the index of runbooks has every alert and every runbook', () => {
  const index = readFileSync(join(root, 'docs/runbooks/README.md'), 'utf8')
  for (const file of readdirSync(join(root, 'docs/runbooks')))
    assert.ok(file === 'README.md' || index.includes(`](${file})`), file)
  const alerts = readFileSync(join(root, 'docs/reference/alerts.md'), 'utf8')
  const named = [...alerts.matchAll(/^\| `(QuantumIp\w+)`/gm)].map(([, name = '']) => name)
  assert.ok(named.length > 0)
  for (const name of named) assert.ok(index.includes(`\`${name}\``), name)
})

test('links between runbooks, playbooks and guides lead somewhere', () => {
  for (const [page, text] of pages) {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g))
      assert.ok(existsSync(join(root, dirname(page), target)), `${page}: ${target}`)
  }
})

/** Guides, runbooks and playbooks, by name. */
const pages = ['docs/guides', 'docs/runbooks', 'docs/playbooks'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((file) => {
    const page = join(folder, file)
    return [page, readFileSync(join(root, page), 'utf8')] as const
  }),
)

// Proxies have variables and snippets of such names, too: those of their own configuration, and where prose names one with its `$`.
function withoutProxyNames(text: string): string {
  return text
    .replaceAll(/^```(?:nginx|caddy|haproxy|lua)\b[^]*?^```$/gm, '')
    .replaceAll(/[$@.]quantum_ip_[a-z_]+/g, '')
}

test('guides and runbooks name commands, options, metrics and error codes that exist', async () => {
  const metrics = readFileSync(join(root, 'docs/reference/metrics.md'), 'utf8')
  const errors = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8')
  for (const [page, text] of pages) {
    for (const [, line = ''] of text.matchAll(/(?:`|^|\$\()qip ((?!`)[^`\n)]+)/gm)) {
      const words = line.split(' ')
      assert.ok(Object.hasOwn(commands, words[0] ?? ''), `${page}: qip ${line}`)
      const helps = await Promise.all([1, 2, 3].map((count) => run([...words.slice(0, count), '--help'])))
      const known = helps.map(({ stdout }) => stdout).join('')
      for (const [option] of line.replace(/#.*$/, '').matchAll(/(?<= )--[a-z-]+/g)) {
        assert.ok(known.includes(option), `${page}: ${option} of qip ${line}`)
      }
    }
    for (const [metric] of withoutProxyNames(text).matchAll(/quantum_ip_[a-z_]+/g)) {
      assert.ok(metrics.includes(`\`${metric}\``), `${page}: ${metric}`)
    }
    // What an example reads from its environment is no code.
    for (const [code] of text.replaceAll(/env\['QIP_[A-Z_]+'\]/g, '').matchAll(/QIP_[A-Z_]+[A-Z]/g)) {
      assert.ok(errors.includes(`\`${code}\``), `${page}: ${code}`)
    }
  }
})

test('the list of mistakes has 23, each with what shows it, its cause and its fix', () => {
  const text = readFileSync(join(root, 'docs/guides/troubleshooting.md'), 'utf8')
  const entries = text.split(/^## /m).slice(1)
  assert.equal(entries.length, 23)
  for (const [at, entry] of entries.entries()) {
    assert.ok(entry.startsWith(`${at + 1}. `), entry)
    const parts = [...entry.matchAll(/^- \*\*(\w+)\*\*: /gm)].map(([, part]) => part)
    assert.deepEqual(parts, ['Shows', 'Cause', 'Fix'], entry)
    assert.match(/^- \*\*Shows\*\*:(.*?)^- \*\*Cause/ms.exec(entry)?.[1] ?? '', /`(?:qip |quantum_ip)/, entry)
  }
})

test('each row of the table of what is down names a drill that exists, and each drill has a row', () => {
  const text = readFileSync(join(root, 'docs/guides/operations.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (?!what is down|---)([^|]+) \|.*\| ([^|]+) \|$/gm)]
  assert.ok(rows.length >= 14)
  const named = rows.map(([, what = '', cell = '']) => {
    const [, name = '', target = ''] = /^\[([a-z-]+)\]\(\.\.\/runbooks\/([a-z-]+)\.md\)$/.exec(cell) ?? []
    assert.equal(name, target, `the row of ${what} names no drill: ${cell}`)
    return name
  })
  assert.deepEqual(named.toSorted(), drills.map(({ name }) => name).toSorted())
})

test('refuses a drill that there is none of, and names the nearest', async () => {
  const refused = await run(['gameday', 'replai', '--json'])
  assert.equal(refused.code, 2)
  assert.match(String(refused.json()['next']), /qip gameday|`replay`/)
})

test('a drill runs against processes of its own, and says what it found', async () => {
  const { code, stdout } = await qip(['gameday', 'F4', '--json'])
  const { ok, drills: reports } = JSON.parse(stdout) as {
    ok: boolean
    drills: {
      outcome: string
      reason: string | null
      detectMs: number
      recoverMs: number
      happened: { kind: string }[]
    }[]
  }
  const [report] = reports
  assert.deepEqual([code, ok, report?.outcome], [0, true, 'passed'], report?.reason ?? '')
  assert.ok(report !== undefined && report.detectMs >= 0 && report.recoverMs >= 0)
  const kinds = new Set(report.happened.map(({ kind }) => kind))
  assert.deepEqual([...kinds].sort(), ['detected', 'fault', 'recovered', 'remedy', 'works'])
})

test('a drill whose fault is not detected fails, and so does the command', async () => {
  const { code, stdout } = await qip(['gameday', 'replay', '--without-fault'])
  assert.equal(code, 1)
  assert.match(stdout, /fault +left out: /)
  assert.match(stdout, /failed it is not detected: /)
})

test('a drill whose program is missing is not run, is no pass, and names the package', async () => {
  const { code, stdout } = await qip(['gameday', 'clock-skew', '--json'], { env: { PATH: '/nowhere' } })
  const {
    ok,
    passed,
    notRun,
    drills: reports,
  } = JSON.parse(stdout) as {
    ok: boolean
    passed: number
    notRun: number
    drills: { outcome: string; reason: string }[]
  }
  assert.deepEqual([code, ok, passed, notRun, reports[0]?.outcome], [1, false, 0, 1, 'not run'])
  assert.match(reports[0]?.reason ?? '', /apt-get install faketime/)
})
