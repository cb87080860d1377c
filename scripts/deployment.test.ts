import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { validate } from 'dockerfile-utils'
import { parse } from 'yaml'
import { serveCommand } from '../packages/apps/cli/src/commands/serve.ts'
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
  const [command, ...rest] = line
  if (command !== 'serve') return [`no command \`${command}\``]
  const known = new Map(serveCommand({} as never).options.map(({ long, required }) => [long, required]))
  const faults: string[] = []
  for (let i = 0; i < rest.length; i += 2) {
    const [name = '', value = ''] = rest.slice(i, i + 2)
    if (!known.has(name)) faults.push(`no option \`${name}\``)
    if (name === '--role' && !['authority', 'gateway'].includes(value)) faults.push(`no role \`${value}\``)
  }
  return faults
}

function commandLines(): ReadonlyMap<string, readonly string[]> {
  const inImage = /^CMD (?<json>.*)$/m.exec(containerfile)?.groups?.['json'] ?? ''
  const inChart = ['authority', 'gateway'].map((role) => {
    const text = read(`deploy/helm/quantum-ip/templates/${role}.yaml`)
    return [`chart ${role}`, /^ +args: \[(.*)\]$/m.exec(text)?.[1]?.split(', ') ?? []] as const
  })
  const inUnits = units.map((unit) => {
    return [unit, /^ExecStart=\/usr\/bin\/qip (.*)$/m.exec(read(unit))?.[1]?.split(' ') ?? []] as const
  })
  const inCompose = Object.entries(compose.services).map(([name, { command }]) => [name, command] as const)
  return new Map([['image', JSON.parse(inImage) as readonly string[]], ...inChart, ...inUnits, ...inCompose])
}

test('every command line in deploy/ is one of qip', () => {
  const lines = commandLines()
  assert.equal(lines.size, 7)
  for (const [where, line] of lines) assert.deepEqual(faultsOf(line), [], where)
})

test('a command line that is none is found', () => {
  assert.deepEqual(faultsOf(['serve', '--rôle', 'authority', '--role', 'sidecart']), [
    'no option `--rôle`',
    'no role `sidecart`',
  ])
})

test('every configuration in deploy/ is taken', () => {
  const files = globSync('deploy/{compose/config,systemd}/*.yaml', { cwd: root })
  assert.equal(files.length, 4)
  for (const file of files) parseConfig(read(file), file, { directory: join(root, 'deploy') })
})

test('what Compose mounts is there', () => {
  const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
    volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':')[0] ?? ''),
  )
  assert.equal(mounted.length, 2)
  for (const file of mounted) assert.notEqual(read(join('deploy/compose', file)), '', file)
})

test('the container file has no fault, and ends as a user without rights', () => {
  const faults = validate(containerfile)
  assert.deepEqual(faults, [])
  assert.notEqual(validate(containerfile.replace('USER ', 'USR ')).length, 0)
  const last = containerfile.slice(containerfile.lastIndexOf('\nFROM '))
  assert.match(last, /^USER 10001:10001$/m)
})
