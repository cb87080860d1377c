import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { parseAllDocuments, stringify } from 'yaml'
import { needComponent, runComponent } from './real-components.ts'
import { read, root } from './lib-packages.ts'

const helm = await needComponent('helm')
const compose = await needComponent('docker-compose')
const analyze = await needComponent('systemd-analyze')
const promtool = await needComponent('promtool')

const chart = join(root, 'deploy/helm/quantum-ip')
const everything = ['-f', join(chart, 'ci/all-values.yaml'), '--kube-version', '1.30.0']

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec: {
    readonly template: { readonly spec: PodSpec }
    readonly groups: readonly unknown[]
  }
}

interface PodSpec {
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly containers: readonly {
    readonly securityContext: Readonly<Record<string, unknown>>
    readonly readinessProbe: unknown
    readonly livenessProbe: unknown
    readonly startupProbe: unknown
  }[]
}

async function render(more: readonly string[] = []): Promise<readonly Manifest[]> {
  const { status, stdout, stderr } = await runComponent(helm, [
    'template',
    'qip',
    chart,
    ...everything,
    ...more,
  ])
  assert.equal(status, 0, stderr)
  return parseAllDocuments(stdout.toString())
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null)
}

test('helm finds no fault in the chart', { skip: helm.skip }, async (t) => {
  const { status, stdout } = await runComponent(helm, ['lint', '--strict', chart, ...everything])
  t.diagnostic(helm.version)
  assert.equal(status, 0, stdout.toString())
})

test('the chart renders what it says, and qip takes each configuration', { skip: helm.skip }, async () => {
  const manifests = await render()
  assert.deepEqual([...new Set(manifests.map(({ kind }) => kind))].sort(), [
    'ConfigMap',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'PrometheusRule',
    'Service',
    'StatefulSet',
  ])
  const configs = manifests.flatMap(({ data = {} }) => Object.entries(data))
  assert.deepEqual(configs.map(([name]) => name).sort(), [
    'authority.yaml',
    'qip-gateway-0.yaml',
    'qip-gateway-1.yaml',
  ])
  for (const [name, text] of configs) parseConfig(text, name)
})

test(
  'every pod of the chart has no rights, a root it cannot write to, and three probes',
  { skip: helm.skip },
  async () => {
    const pods = (await render())
      .filter(({ kind }) => kind === 'StatefulSet')
      .map(({ spec }) => spec.template.spec)
    assert.equal(pods.length, 2)
    for (const { securityContext, containers } of pods) {
      assert.equal(securityContext['runAsNonRoot'], true)
      for (const container of containers) {
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        assert.ok(container.readinessProbe && container.livenessProbe && container.startupProbe)
      }
    }
  },
)

test(
  'the chart refuses values that it does not know, and a gateway without root keys',
  { skip: helm.skip },
  async () => {
    const tries = [
      [['--set', 'gateway.replica=3'], 'replica'],
      [['--set', 'gateway.rootThumbprints=null'], 'rootThumbprints'],
      [['--set', 'trustDomain=acme'], 'trustDomain'],
    ] as const
    for (const [values, named] of tries) {
      const { status, stderr } = await runComponent(helm, [
        'template',
        'qip',
        chart,
        ...everything,
        ...values,
      ])
      assert.notEqual(status, 0, named)
      assert.ok(stderr.includes(named), stderr)
    }
  },
)

test('promtool takes the rules of the chart', { skip: helm.skip || promtool.skip }, async () => {
  const groups = (await render())
    .filter(({ kind }) => kind === 'PrometheusRule')
    .flatMap(({ spec }) => spec.groups)
  const folder = mkdtempSync(join(tmpdir(), 'qip-chart-'))
  try {
    writeFileSync(join(folder, 'rules.yaml'), stringify({ groups }))
    const { status, stderr } = await runComponent(promtool, ['check', 'rules', join(folder, 'rules.yaml')])
    assert.equal(status, 0, stderr)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('Compose takes the Compose file', { skip: compose.skip }, async (t) => {
  const file = join(root, 'deploy/compose/compose.yaml')
  const { status, stderr } = await runComponent(compose, ['-f', file, 'config', '--quiet'])
  t.diagnostic(compose.version)
  assert.equal(status, 0, stderr)
})

test('systemd takes the units, and calls their exposure small', { skip: analyze.skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'qip-units-'))
  try {
    for (const role of ['authority', 'gateway']) {
      const unit = join(folder, basename(`quantum-ip-${role}.service`))
      // It looks whether the program is there; here it is not installed.
      const text = read(`deploy/systemd/quantum-ip-${role}.service`).replace('/usr/bin/qip', process.execPath)
      writeFileSync(unit, text)
      const verified = await runComponent(analyze, ['verify', unit])
      assert.deepEqual([verified.status, verified.stderr], [0, ''])
      const judged = await runComponent(analyze, ['security', '--offline=yes', '--threshold=20', unit])
      t.diagnostic(judged.stdout.toString().trim().split('\n').at(-1) ?? '')
      assert.equal(judged.status, 0)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
