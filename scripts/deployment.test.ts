import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { validate } from 'dockerfile-utils'
import { parse } from 'yaml'
import { serveCommand, serveRoles } from '../packages/apps/cli/src/commands/serve.ts'
import { sidecarCommand } from '../packages/apps/cli/src/commands/sidecar.ts'
import { read, root } from './lib-packages.ts'

const containerfile = read('deploy/container/Containerfile')
const units = globSync('deploy/systemd/*.service', { cwd: root })

interface ComposeFile {
  readonly services: Readonly<
    Record<string, { readonly command: readonly string[]; readonly volumes: readonly string[] }>
  >
}
const compose = parse(read('deploy/compose/compose.yaml'), { merge: true }) as ComposeFile

/** Why a command line is none of the program's; empty: it is one. */
function faultsOf(line: readonly string[]): readonly string[] {
  const [command = '', ...rest] = line
  const made = { serve: serveCommand, sidecar: sidecarCommand }[command]
  if (made === undefined) return [`no command \`${command}\``]
  const known = new Map(made({} as never).options.map(({ long, required }) => [long, required]))
  const faults: string[] = []
  for (let i = 0; i < rest.length; i += 2) {
    const [name = '', value = ''] = rest.slice(i, i + 2)
    if (!known.has(name)) faults.push(`no option \`${name}\``)
    if (name === '--role' && !(serveRoles as readonly string[]).includes(value))
      faults.push(`no role \`${value}\``)
  }
  return faults
}

const [, ...points] = serveRoles
/** What runs for long: roles, and the sidecar, which is a command of its own. */
const parts = [...serveRoles, 'sidecar']

/** The command lines of the units; that of the template once for each point. */
function unitLines(): readonly (readonly [string, readonly string[]])[] {
  return units.flatMap((unit) => {
    const line = /^ExecStart=\/usr\/bin\/qip (.*)$/m.exec(read(unit))?.[1]?.split(' ') ?? []
    if (!unit.includes('@')) return [[unit, line] as const]
    return points.map((role) => [`${unit} ${role}`, line.map((word) => word.replaceAll('%i', role))] as const)
  })
}

function chartArgs(file: string): readonly string[] {
  const text = read(`deploy/helm/quantum-ip/templates/${file}`)
  return /^ +args: \[(.*)\]$/m.exec(text)?.[1]?.split(', ') ?? []
}

/** The chart's; that of its points once for each that it lists. */
function chartLines(): readonly (readonly [string, readonly string[]])[] {
  const listed = [
    ...read('deploy/helm/quantum-ip/templates/points.yaml').matchAll(/\(dict "role" "([a-z-]+)"/g),
  ]
  const beside = /^ +args: \[(.*)\]$/m.exec(read('deploy/kubernetes/sidecar.yaml'))?.[1]?.split(', ') ?? []
  return [
    ['chart sidecar', beside],
    ['chart authority', chartArgs('authority.yaml')],
    ...listed.map(([, role = '']) => {
      return [
        `chart ${role}`,
        chartArgs('_point.tpl').map((word) => word.replace('{{ $point.role }}', role)),
      ] as const
    }),
  ]
}

function commandLines(): ReadonlyMap<string, readonly string[]> {
  const inImage = /^CMD (?<json>.*)$/m.exec(containerfile)?.groups?.['json'] ?? ''
  const inCompose = Object.entries(compose.services).map(
    ([name, { command }]) => [`compose ${name}`, command] as const,
  )
  return new Map([
    ['image', JSON.parse(inImage) as readonly string[]],
    ...chartLines(),
    ...unitLines(),
    ...inCompose,
  ])
}

test('every command line in deploy/ is one of qip', () => {
  const lines = commandLines()
  assert.equal(lines.size, 1 + 3 * parts.length)
  for (const [where, line] of lines) assert.deepEqual(faultsOf(line), [], where)
})

function roleOf(line: readonly string[]): string {
  return line[0] === 'serve' ? (line[line.indexOf('--role') + 1] ?? '') : (line[0] ?? '')
}

function rolesOf(kind: RegExp): readonly string[] {
  return [...commandLines()].flatMap(([where, line]) => (kind.test(where) ? [roleOf(line)] : [])).sort()
}

test('Kubernetes, Compose and systemd run every role that there is, and the sidecar', () => {
  const all = parts.toSorted()
  for (const kind of [/^chart /, /^compose /, /systemd/]) assert.deepEqual(rolesOf(kind), all, String(kind))
  for (const folder of ['compose/config', 'systemd']) {
    const files = globSync(`deploy/${folder}/*.yaml`, { cwd: root }).map((file) => basename(file, '.yaml'))
    assert.deepEqual(files.sort(), all, folder)
  }
})

test('a command line that is none is found', () => {
  assert.deepEqual(faultsOf(['serve', '--rôle', 'authority', '--role', 'sidecart']), [
    'no option `--rôle`',
    'no role `sidecart`',
  ])
})

test('every configuration in deploy/ is taken', () => {
  const files = globSync('deploy/{compose/config,systemd}/*.yaml', { cwd: root })
  assert.equal(files.length, 2 * parts.length)
  for (const file of files) parseConfig(read(file), file, { directory: join(root, 'deploy') })
})

test('what Compose mounts is there', () => {
  const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
    volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':')[0] ?? ''),
  )
  assert.equal(mounted.length, parts.length)
  for (const file of mounted) assert.notEqual(read(join('deploy/compose', file)), '', file)
})

test('the container file has no fault, and ends as a user without rights', () => {
  const faults = validate(containerfile)
  assert.deepEqual(faults, [])
  assert.notEqual(validate(containerfile.replace('USER ', 'USR ')).length, 0)
  const last = containerfile.slice(containerfile.lastIndexOf('\nFROM '))
  assert.match(last, /^USER 10001:10001$/m)
})
