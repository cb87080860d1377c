// The schemas of Kubernetes for kubeconform, which fetches them from a site of its own where it is not told otherwise.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Component, runComponent } from './real-components.ts'

/** A source tree of 18 MB, of which one file is read: what the API server says of itself. */
const source = 'k8s.io/kubernetes@v1.34.2'

interface Definition {
  readonly format?: string
  readonly properties?: Readonly<Record<string, unknown>>
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly kind: string }[]
}

/**
 * Writes a JSON Schema for each kind of Kubernetes into a folder, strict: a key that is none of it is refused. Returns why it could not, or
 * `undefined`.
 */
export async function writeKubernetesSchemas(go: Component, folder: string): Promise<string | undefined> {
  const got = await runComponent(go, ['mod', 'download', '-json', source], { timeoutMs: 300_000 })
  if (got.status !== 0) return `${source} could not be had: ${got.stderr.split('\n')[0] ?? ''}`
  const { Dir } = JSON.parse(got.stdout.toString()) as { Dir: string }
  const text = readFileSync(join(Dir, 'api/openapi-spec/swagger.json'), 'utf8')
  const { definitions } = JSON.parse(text) as { definitions: Readonly<Record<string, Definition>> }
  const strict = Object.fromEntries(Object.entries(definitions).map(([name, each]) => [name, strictly(each)]))
  mkdirSync(folder, { recursive: true })
  for (const [name, { 'x-kubernetes-group-version-kind': kinds = [] }] of Object.entries(definitions)) {
    const [, group = '', version = ''] = /\.([a-z0-9]+)\.(v[a-z0-9]+)\.[A-Za-z]+$/.exec(name) ?? []
    const kind = kinds.length === 1 ? kinds[0]?.kind.toLowerCase() : undefined
    if (kind === undefined) continue
    const file = ['core', ''].includes(group) ? `${kind}-${version}` : `${kind}-${group}-${version}`
    const schema = { $ref: `#/definitions/${name}`, definitions: strict }
    writeFileSync(join(folder, `${file}.json`), JSON.stringify(schema))
  }
  return undefined
}

function strictly(definition: Definition): object {
  // OpenAPI 2 has no type for both.
  if (definition.format === 'int-or-string') return { type: ['integer', 'string'] }
  return definition.properties === undefined ? definition : { ...definition, additionalProperties: false }
}
