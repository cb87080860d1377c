import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { TestFleet } from './fleet.ts'

const launcher = path.resolve(import.meta.dirname, '../../bin/qip.js')

/** The services of the fleet's domain. */
export const services = 'spiffe://acme.example/ns/prod/sa'

/** A point that proxies ask, as a process of its own. */
export interface AskedPoint {
  readonly url: string
  /** Sends `SIGTERM`; returns what it ends with. */
  end(): Promise<number | null>
}

/** Starts `qip serve --role <role>` for the service `shop`, in `folder`. `yaml`: its section of the configuration. */
export async function openAskedPoint(
  stack: AsyncDisposableStack,
  fleet: TestFleet,
  { folder, role, yaml }: { readonly folder: string; readonly role: string; readonly yaml: string },
): Promise<AskedPoint> {
  const found = (await (await fetch(`${fleet.authorityUrl}/.well-known/quantum-ip`)).json()) as {
    rootThumbprints: readonly string[]
  }
  await mkdir(folder, { recursive: true })
  await writeFile(
    path.join(folder, 'quantum-ip.yaml'),
    `trustDomain: spiffe://acme.example
authority: { url: ${fleet.authorityUrl} }
trust: { rootThumbprints: [${found.rootThumbprints.join(', ')}] }
services: [{ id: ${services}/shop }]
gateway: { overload: { delayTarget: 10s } }
${yaml}
`,
  )
  const out = path.join(folder, 'join')
  const made = await fleet.qip('join-token', `${services}/${role}`, '--role', 'verifier', '--out', out)
  assert.equal(made.code, 0, made.stderr)
  const args = ['serve', '--role', role, '--join-token-file', 'join', '--json']
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = async (): Promise<number | null> => {
    if (child.exitCode !== null) return child.exitCode
    const ended = once(child, 'exit') as Promise<[number | null]>
    child.kill('SIGTERM')
    return (await ended)[0]
  }
  stack.defer(async () => {
    await end()
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { url } = JSON.parse(line) as { url?: string }
  assert.ok(url, line)
  return { url, end }
}
