import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Where a script runs: in nginx's JavaScript module, or in a worker of an edge network. */
export type EdgeScriptKind = 'nginx' | 'worker'

// In the order in which they need each other: what is a value at the top of a file is made before it is used.
const core = [
  'cbor',
  'claims',
  'token',
  'proof',
  'state',
  'request-binding',
  'stripped',
  'check-revocation',
  'judge',
  'outcome',
]

const last = {
  nginx: { files: ['nginx'], exports: 'export default { decide }' },
  worker: {
    files: ['sha256', 'worker-platform', 'held-parts', 'worker-request', 'ask-verifier', 'worker'],
    exports: 'export { createEdgeHandler }',
  },
} as const

/**
 * The check as one JavaScript file without imports: for `js_import` of nginx, or to be put beside a worker. It is made of the modules
 * of this package as they stand, so that what is tested is what runs.
 */
export function edgeScript(kind: EdgeScriptKind): string {
  const { files, exports } = last[kind]
  const parts = [...core, ...files].map((name) => withoutModules(readModule(name)))
  return `// Quantum IP: checks compact tokens with SHA-256 alone. Made by \`qip edge-state --script ${kind}\`.\n${parts.join('')}${exports}\n`
}

// The sources in development, what was compiled of them where the package is installed.
function readModule(name: string): string {
  const source = fileURLToPath(new URL(`./script/${name}.ts`, import.meta.url))
  if (existsSync(source)) return stripTypeScriptTypes(readFileSync(source, 'utf8'))
  return readFileSync(fileURLToPath(new URL(`./script/${name}.js`, import.meta.url)), 'utf8')
}

function withoutModules(text: string): string {
  return text
    .replaceAll(/^import\s[^']*'[^']*';?\n/gm, '')
    .replaceAll(/^export (?=(?:async )?function|const|class)/gm, '')
    .replaceAll(/^export \{\s*\};?\n/gm, '')
    .replaceAll(/[ \t]+$/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
}
