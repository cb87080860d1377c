// `npm run build`: emits ESM and types of every publishable package into its dist/, then has publint read the result.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

const packages = new Map(
  globSync('packages/*/*/package.json', { cwd: root })
    .map((file) => [dirname(file), JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest] as const)
    .filter(([, manifest]) => manifest.private !== true)
    .map(([folder, manifest]) => [manifest.name, { folder, manifest }] as const),
)

/** Dependencies before dependants, so that each package compiles against the emitted types of those below it. */
function inOrder(): readonly string[] {
  const order: string[] = []
  const visit = (name: string): void => {
    const entry = packages.get(name)
    if (entry === undefined || order.includes(name)) return
    for (const dependency of Object.keys(entry.manifest.dependencies ?? {})) visit(dependency)
    order.push(name)
  }
  for (const name of [...packages.keys()].sort()) visit(name)
  return order
}

function run(what: string, command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (done.status === 0) return
  process.stderr.write(`build: ${what} failed\n`)
  process.exit(1)
}

for (const name of inOrder()) {
  const entry = packages.get(name)
  if (entry === undefined) continue
  const folder = join(root, entry.folder)
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  const config = join(folder, 'tsconfig.build.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../../../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        declaration: true,
        allowImportingTsExtensions: false,
        customConditions: [],
        rootDir: 'src',
        outDir: 'dist',
      },
      include: ['src'],
      exclude: ['src/**/*.test.ts'],
    }),
  )
  try {
    run(`compiling ${name}`, bin('tsc'), ['--project', config])
  } finally {
    rmSync(config, { force: true })
  }
  run(`publint of ${name}`, bin('publint'), ['run', folder, '--strict', '--pack', 'npm'])
  process.stdout.write(`built ${name}\n`)
}
