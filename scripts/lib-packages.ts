// What several scripts ask about the packages of this repository.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** A package of the workspace. */
export interface WorkspacePackage {
  readonly name: string
  /** Relative to the repository. */
  readonly folder: string
  readonly isPrivate: boolean
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Every package, by its folder. */
export function workspacePackages(): readonly WorkspacePackage[] {
  return globSync('packages/{*/*,testing}/package.json', { cwd: root })
    .filter((file) => !file.includes('node_modules'))
    .sort()
    .map((file) => {
      const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest
      return {
        name: manifest.name,
        folder: dirname(file),
        isPrivate: manifest.private ?? false,
        dependencies: Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }),
        devDependencies: Object.keys(manifest.devDependencies ?? {}),
      }
    })
}

/** The TypeScript files of a package: what is published, or its tests. */
export function filesOf(folder: string, part: 'sources' | 'tests'): readonly string[] {
  return globSync('{src,test}/**/*.ts', { cwd: join(root, folder) })
    .filter((file) => {
      const isTest = file.startsWith('test/') || file.endsWith('.test.ts')
      return isTest === (part === 'tests')
    })
    .map((file) => join(folder, file))
    .sort()
}

/** The text of a file of the repository. */
export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The packages that a file imports, without relative ones and Node's own. */
export function importsOf(text: string): readonly string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?(?:\{[^}]*\}\s*)?from\s+'([^'.][^']*)'|import\(\s*'([^'.][^']*)'|(?:^|\n)import\s+'([^'.][^']*)'/g,
  )
  const names = [...found]
    .map(([, from, dynamic, bare]) => from ?? dynamic ?? bare ?? '')
    .filter((name) => !name.startsWith('node:') && !name.startsWith('#'))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
  return [...new Set(names)]
}
