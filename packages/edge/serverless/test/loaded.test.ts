import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { createServerlessPoint, type ServerlessPointOptions } from '../src/index.ts'

const service = 'spiffe://acme.example/ns/prod/sa/shop'

// Bundled as the guide says: a bundle leaves out what no import reaches.
async function bundle(contents: string) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../src', import.meta.url)) },
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    conditions: ['quantum-ip-source'],
    metafile: true,
    write: false,
  })
  const [output] = Object.values(metafile.outputs)
  const inputs = Object.entries(output?.inputs ?? {})
  return {
    code: outputFiles[0]?.text ?? '',
    isCelIn: inputs.some(([path, { bytesInOutput }]) => path.includes('@bufbuild/') && bytesInOutput > 0),
  }
}

function loadsUndici(code: string): boolean {
  const ending = `;console.log(process.moduleLoadList.some((name) => name.endsWith('internal/deps/undici/undici')))`
  const input = code + ending
  return (
    execFileSync(process.execPath, ['--input-type=module', '-'], { input, encoding: 'utf8' }).trim() ===
    'true'
  )
}

it('a bundled Lambda function with the built-in policy has no CEL, and asks its mirror without undici', async () => {
  const { code, isCelIn } = await bundle(`
    import { createServerlessPoint } from './index.ts'
    import { verifiedLambda } from './lambda.ts'
    const trust = {
      trustDomain: 'spiffe://acme.example', rootThumbprints: ['${'A'.repeat(43)}'], mirrors: [{ url: 'http://127.0.0.1:1' }],
    }
    const point = createServerlessPoint({ service: '${service}', trust })
    globalThis.handler = verifiedLambda(point, { handler: () => 0 })
    await point.refresh()`)
  assert.equal(isCelIn, false)
  assert.equal(loadsUndici(code), false)
})

it('a function that compiles a policy has CEL, and one that imports node:http loads undici: both are seen', async () => {
  const { isCelIn } = await bundle(
    `import { compilePolicy } from '@quantum-ip/policy'; globalThis.compile = compilePolicy`,
  )
  assert.equal(isCelIn, true)
  assert.equal(loadsUndici(`await import('node:http')`), true)
})

it('a policy that is not compiled is refused, and the error says how it is', () => {
  const options = { service, verifier: {}, policy: { kind: 'Policy' } } as unknown as ServerlessPointOptions
  assert.throws(() => createServerlessPoint(options), /compilePolicy\(parsePolicy\(policy\)\)/)
})
