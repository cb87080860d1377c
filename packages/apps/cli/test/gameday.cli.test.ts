import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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

test('each runbook belongs to a drill, and every qip command that the guides and runbooks name exists', () => {
  const names = readdirSync(join(root, 'docs/runbooks')).map((file) => file.replace(/\.md$/, ''))
  assert.deepEqual(names.sort(), drills.map(({ name }) => name).sort())
  for (const folder of ['docs/runbooks', 'docs/guides']) {
    for (const file of existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []) {
      const text = readFileSync(join(root, folder, file), 'utf8')
      for (const [whole, name = ''] of text.matchAll(/(?:`|^|\$\()qip ([a-z-]+)/gm)) {
        assert.ok(Object.hasOwn(commands, name), `${folder}/${file}: ${whole}`)
      }
    }
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
