// serverless_cold_start: what a function's first request costs in a new execution environment, from loading the function to its answer.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { openDomain, shop } from '../../packages/edge/serverless/test/support.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'

const runner = fileURLToPath(new URL('../servers/function-runner.ts', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
const rounds = 15
const barMs = 50
const issuer = 'https://issuer.acme.example'

const application = `export const handler = async () => ({ statusCode: 200, body: 'well' })\n`

interface Places {
  readonly roots: readonly string[]
  readonly mirror: string
  readonly jwks: string
}

const functions = ({ roots, mirror, jwks }: Places) => ({
  bare: application,
  'quantum-ip': `
import { createServerlessPoint } from '@quantum-ip/serverless'
import { verifiedLambda } from '@quantum-ip/serverless/lambda'
const point = createServerlessPoint({
  service: '${shop}',
  trust: { trustDomain: 'spiffe://acme.example', rootThumbprints: ${JSON.stringify(roots)}, mirrors: [{ url: '${mirror}' }] },
})
export const handler = verifiedLambda(point, { load: () => import('./application.ts') })
`,
  jose: `
import { createRemoteJWKSet, jwtVerify } from 'jose'
const keys = createRemoteJWKSet(new URL('${jwks}'))
export const handler = async (event) => {
  await jwtVerify(event.headers.authorization.slice(7), keys, { issuer: '${issuer}', audience: '${shop}' })
  return { statusCode: 200, body: 'well' }
}
`,
  // Takes keys over HTTPS only: it gets them here without asking anybody.
  'aws-jwt-verify': `
import { readFileSync } from 'node:fs'
import { JwtVerifier } from 'aws-jwt-verify'
const verifier = JwtVerifier.create({ issuer: '${issuer}', audience: '${shop}', jwksUri: '${issuer}/jwks' })
export const handler = async (event) => {
  verifier.cacheJwks(JSON.parse(readFileSync(new URL('./jwks.json', import.meta.url), 'utf8')))
  await verifier.verify(event.headers.authorization.slice(7))
  return { statusCode: 200, body: 'well' }
}
`,
})

type Name = keyof ReturnType<typeof functions>

interface Run {
  readonly loadMs: number
  readonly totalMs: number
  /** Of all threads: less noisy than the clock on a busy machine. */
  readonly cpuMs: number
  readonly statusCode: number
}

/** A guarded function against a bare one, and against JWT checks in the same place. Each run is a process of its own. */
export async function serverlessColdStart(): Promise<Rows> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(root, 'bench', '.functions-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const domain = stack.use(await openDomain())
  const { jwks, token: jwt, close } = await openIssuer(folder)
  stack.defer(close)
  const places = { roots: domain.trust.rootThumbprints, mirror: domain.mirror.url, jwks }
  const names = Object.keys(functions(places)) as Name[]
  await bundle(folder, functions(places))
  const eventFile = join(folder, 'event.json')
  const samples = new Map<string, Run[]>()
  for (let turn = -1; turn < rounds; turn++) {
    const headers = {
      host: 'shop.acme.example',
      authorization: `Bearer ${jwt}`,
      'quantum-ip': await domain.token(),
    }
    const requestContext = { http: { method: 'GET' } }
    await writeFile(eventFile, JSON.stringify({ version: '2.0', rawPath: '/', headers, requestContext }))
    for (const name of names) {
      for (const cache of ['', ' cached']) {
        const more = cache === '' ? [] : [join(folder, 'cache', name)]
        const run = await runOnce([join(folder, `${name}.mjs`), eventFile, ...more])
        if (run.statusCode !== 200) throw new Error(`${name} answered ${run.statusCode}`)
        if (turn >= 0) samples.set(name + cache, [...(samples.get(name + cache) ?? []), run])
      }
    }
  }
  const median = (name: string, of: 'loadMs' | 'totalMs' | 'cpuMs' = 'totalMs'): number =>
    percentile(
      (samples.get(name) ?? []).map((run) => run[of]),
      0.5,
    )
  const ours = median('quantum-ip')
  return {
    serverless_cold_start: {
      value: round(ours),
      unit: 'ms',
      against: 'jose ES256 with its keys over HTTP',
      ratio: round(median('jose') / ours),
      bar: `at most ${barMs} ms`,
      reached: ours <= barMs,
      detail: {
        'loading it ms': round(median('quantum-ip', 'loadMs')),
        'processor ms': round(median('quantum-ip', 'cpuMs')),
        'jose processor ms': round(median('jose', 'cpuMs')),
        'with compile cache ms': round(median('quantum-ip cached')),
        'bare ms': round(median('bare')),
        'jose ms': round(median('jose')),
        'jose with compile cache ms': round(median('jose cached')),
        'aws-jwt-verify, keys at hand, ms': round(median('aws-jwt-verify')),
        'aws-jwt-verify with compile cache ms': round(median('aws-jwt-verify cached')),
        'bundle KB': round((await stat(join(folder, 'quantum-ip.mjs'))).size / 1_000),
      },
    },
  }
}

async function bundle(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(join(folder, 'application.ts'), application)
  for (const [name, code] of Object.entries(files)) {
    const file = join(folder, `${name}.ts`)
    await writeFile(file, code)
    await build({
      entryPoints: [file],
      outfile: join(folder, `${name}.mjs`),
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      conditions: ['quantum-ip-source'],
      // What is CommonJS asks for Node's modules by `require`.
      banner: {
        js: "import { createRequire } from 'node:module';const require=createRequire(import.meta.url);",
      },
      logLevel: 'error',
    })
  }
}

async function openIssuer(folder: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] }
  await writeFile(join(folder, 'jwks.json'), JSON.stringify(keys))
  const token = await new SignJWT({ sub: 'web' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience(shop)
    .setExpirationTime('1h')
    .sign(privateKey)
  const server = createServer((_request, response) => void response.end(JSON.stringify(keys)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { token, jwks: `http://127.0.0.1:${port}/jwks`, close: () => void server.close() }
}

async function runOnce(args: readonly string[]): Promise<Run> {
  // As in Lambda: nothing of ours is in the environment.
  const env = { PATH: process.env['PATH'] }
  const { stdout } = await promisify(execFile)(process.execPath, [runner, ...args], { env })
  return JSON.parse(stdout) as Run
}
