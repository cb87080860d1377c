import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { parseAllDocuments, stringify } from 'yaml'
import { needComponent, runComponent } from './real-components.ts'
import { serveRoles } from '../packages/apps/cli/src/commands/serve.ts'
import { writeKubernetesSchemas } from './kubernetes-schemas.ts'
import { read, root } from './lib-packages.ts'

const helm = await needComponent('helm')
const compose = await needComponent('docker-compose')
const analyze = await needComponent('systemd-analyze')
const kubeconform = await needComponent('kubeconform')
const go = await needComponent('go')
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

interface KubeconformReport {
  readonly resources: readonly unknown[]
  readonly summary: Readonly<Record<'valid' | 'invalid' | 'errors' | 'skipped', number>>
}

interface PodSpec {
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly containers: readonly {
    readonly securityContext: Readonly<Record<string, unknown>>
    readonly readinessProbe: unknown
    readonly livenessProbe: unknown
    readonly startupProbe: unknown
    readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>>>>
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
  const points = serveRoles.slice(1).flatMap((role) => [`qip-${role}-0.yaml`, `qip-${role}-1.yaml`])
  assert.deepEqual(configs.map(([name]) => name).sort(), ['authority.yaml', ...points].sort())
  const [sidecar] = parseAllDocuments(read('deploy/kubernetes/sidecar.yaml'))
  assert.ok(sidecar)
  const { data: beside = {} } = sidecar.toJS() as Manifest
  for (const [name, text] of [...configs, ...Object.entries(beside)]) parseConfig(text, name)
})

test(
  'every pod of the chart has no rights, a root it cannot write to, and three probes',
  { skip: helm.skip },
  async () => {
    const pods = (await render())
      .filter(({ kind }) => kind === 'StatefulSet')
      .map(({ spec }) => spec.template.spec)
    assert.equal(pods.length, serveRoles.length)
    for (const { securityContext, containers } of pods) {
      assert.equal(securityContext['runAsNonRoot'], true)
      assert.deepEqual(securityContext['seccompProfile'], { type: 'RuntimeDefault' })
      for (const container of containers) {
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        assert.ok(container.readinessProbe && container.livenessProbe && container.startupProbe)
        assert.ok(container.resources.requests['memory'] && container.resources.limits['memory'])
      }
    }
  },
)

test(
  'the chart refuses values that it does not know, and points without root keys or peers',
  { skip: helm.skip },
  async () => {
    const tries = [
      [['--set', 'gateway.replica=3'], 'replica'],
      [['--set', 'rootThumbprints=null'], 'rootThumbprints'],
      [['--set', 'forwardAuth.peers=null'], 'forwardAuth.peers'],
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

test(
  'every pod has a network policy and, if there may be several of it, a disruption budget',
  { skip: helm.skip },
  async () => {
    const manifests = await render()
    const namesOf = (kind: string): readonly string[] =>
      manifests.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name)
    const pods = serveRoles.map((role) => `qip-${role}`)
    assert.deepEqual(namesOf('NetworkPolicy').toSorted(), pods.toSorted())
    assert.deepEqual(namesOf('PodDisruptionBudget').toSorted(), pods.slice(1).toSorted())
  },
)

test(
  'kubeconform takes every manifest, by the schemas of Kubernetes 1.34 and nothing besides',
  { skip: helm.skip || kubeconform.skip || go.skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'qip-manifests-'))
    try {
      const refused = await writeKubernetesSchemas(go, join(folder, 'schemas'))
      if (refused !== undefined) {
        t.skip(refused)
        return
      }
      const beside = parseAllDocuments(read('deploy/kubernetes/sidecar.yaml'))
      const manifests = [...(await render()), ...beside.map((each) => each.toJS() as Manifest)]
      const checked = manifests.filter(({ kind }) => kind !== 'PrometheusRule')
      const faultsIn = async (given: readonly unknown[]): Promise<KubeconformReport> => {
        writeFileSync(join(folder, 'all.yaml'), given.map((each) => stringify(each)).join('---\n'))
        const places = [
          '-schema-location',
          join(folder, 'schemas', '{{ .ResourceKind }}{{ .KindSuffix }}.json'),
        ]
        const args = ['-strict', '-summary', '-output', 'json', ...places, join(folder, 'all.yaml')]
        const { stdout } = await runComponent(kubeconform, args)
        return JSON.parse(stdout.toString()) as KubeconformReport
      }
      assert.deepEqual(await faultsIn(checked), {
        resources: [],
        summary: { valid: checked.length, invalid: 0, errors: 0, skipped: 0 },
      })
      // A key that is none of Kubernetes' is found, so that the schemas are strict ones.
      const wrong = structuredClone(checked)
      for (const { kind, spec } of wrong) if (kind === 'StatefulSet') Object.assign(spec, { replica: 1 })
      assert.equal((await faultsIn(wrong)).summary.invalid, serveRoles.length + 1)
    } finally {
      rmSync(folder, { recursive: true, force: true })
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
    for (const role of [...serveRoles, 'sidecar']) {
      const [file, name] =
        role === 'authority' || role === 'sidecar'
          ? [`quantum-ip-${role}.service`, `quantum-ip-${role}.service`]
          : ['quantum-ip@.service', `quantum-ip@${role}.service`]
      const unit = join(folder, name)
      // It looks whether the program is there; here it is not installed.
      const text = read(`deploy/systemd/${file}`).replace('/usr/bin/qip', process.execPath)
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
