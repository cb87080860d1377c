import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ComponentName, needComponent, type Outcome, runComponent } from './real-components.ts'
import { root } from './lib-packages.ts'

const promtool = await needComponent('promtool')
const amtool = await needComponent('amtool')
const prometheus = join(root, 'deploy/prometheus')
const alertmanager = join(root, 'deploy/alertmanager')

async function run(name: ComponentName, args: readonly string[]): Promise<Outcome> {
  return runComponent(await needComponent(name), args, { timeoutMs: 600_000 })
}

test('promtool takes the configuration and every rule', { skip: promtool.skip }, async (t) => {
  const { status, stdout, stderr } = await run('promtool', [
    'check',
    'config',
    join(prometheus, 'prometheus.yml'),
  ])
  t.diagnostic(
    `${promtool.version}: ${stdout
      .toString()
      .match(/SUCCESS: \d+ rules? found/g)
      ?.join(', ')}`,
  )
  assert.equal(status, 0, stderr)
})

test(
  'each alert fires where it should, and not otherwise, in a window, or for services that are not enforced',
  {
    skip: promtool.skip,
  },
  async (t) => {
    const file = join(prometheus, 'alerts.test.yaml')
    const { status, stdout, stderr } = await run('promtool', ['test', 'rules', file])
    t.diagnostic(`${readFileSync(file, 'utf8').match(/^ {2}- name: /gm)?.length} cases`)
    assert.equal(status, 0, `${stdout.toString()}${stderr}`)
  },
)

test(
  'the cases find rules without windows and stages, and an alert that is lost',
  {
    skip: promtool.skip,
  },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'qip-rules-'))
    try {
      cpSync(prometheus, folder, { recursive: true })
      const change = (file: string, edit: (text: string) => string): void =>
        writeFileSync(join(folder, file), edit(readFileSync(join(prometheus, file), 'utf8')))
      change('recording.rules.yaml', (text) =>
        text
          .replaceAll('unless on (service) quantum_ip:service:maintenance', '')
          .replaceAll('{stage="enforced"}', ''),
      )
      change('alerting.rules.yaml', (text) =>
        text.replaceAll('quantum_ip_replay_store_ready == 0', 'vector(0) > 1'),
      )
      // A few of the cases: all of them are run above.
      change('alerts.test.yaml', (text) => {
        const [head = '', ...cases] = text.split(/^ {2}- name: /m)
        const chosen = cases.filter((each) =>
          /^"?QuantumIp(?:ReplayStoreUnavailable|ReplayedTokens):/.test(each),
        )
        return [head, ...chosen].join('  - name: ')
      })
      const { status, stdout, stderr } = await run('promtool', [
        'test',
        'rules',
        join(folder, 'alerts.test.yaml'),
      ])
      assert.equal(status, 1)
      // Of the first the case that fires; of the second those in both windows and at both stages.
      const failed = `${stdout.toString()}${stderr}`.match(/alertname=\\"QuantumIp\w+/g) ?? []
      const count = (name: string): number => failed.filter((each) => each.endsWith(name)).length
      assert.deepEqual([count('QuantumIpReplayStoreUnavailable'), count('QuantumIpReplayedTokens')], [1, 4])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('amtool takes the configuration of Alertmanager', { skip: amtool.skip }, async (t) => {
  const { status, stdout, stderr } = await run('amtool', [
    'check-config',
    join(alertmanager, 'alertmanager.yml'),
  ])
  t.diagnostic(`${amtool.version}: ${/\d+ inhibit rules/.exec(stdout.toString())?.[0]}`)
  assert.equal(status, 0, stderr)
})

test(
  'pages go to the pager, tickets to the tickets, and what has no severity is a ticket',
  {
    skip: amtool.skip,
  },
  async () => {
    const file = join(alertmanager, 'alertmanager.yml')
    for (const [labels, receiver] of [
      [['severity=page', 'root_cause=trust'], 'pager'],
      [['severity=ticket', 'owner=team-shop'], 'tickets'],
      [['alertname=SomethingElse'], 'tickets'],
    ] as const) {
      const { stdout } = await run('amtool', ['config', 'routes', 'test', '--config.file', file, ...labels])
      assert.equal(stdout.toString().trim(), receiver)
    }
  },
)

test('the templates of text render', { skip: amtool.skip }, async () => {
  const data = join(mkdtempSync(join(tmpdir(), 'qip-alerts-')), 'data.json')
  const alert = {
    status: 'firing',
    labels: { owner: 'team-shop' },
    annotations: { summary: 'one', description: 'two', runbook_url: 'https://runbooks.example/x.md' },
  }
  writeFileSync(
    data,
    JSON.stringify({
      status: 'firing',
      commonLabels: { severity: 'page', root_cause: 'trust' },
      alerts: [alert, { ...alert, labels: {} }],
    }),
  )
  const glob = join(alertmanager, 'templates/*.tmpl')
  const render = async (text: string): Promise<string> => {
    const args = [`--template.glob=${glob}`, `--template.text=${text}`, `--template.data=${data}`]
    return (await run('amtool', ['template', 'render', ...args])).stdout.toString().trim()
  }
  assert.equal(await render('{{ template "quantum_ip.title" . }}'), '[FIRING] page: trust (2)')
  assert.equal(
    await render('{{ template "quantum_ip.text" . }}'),
    'one\ntwo\nOwner: team-shop\nRunbook: https://runbooks.example/x.md\none\ntwo\nRunbook: https://runbooks.example/x.md',
  )
  rmSync(join(data, '..'), { recursive: true })
})
