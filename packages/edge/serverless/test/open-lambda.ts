import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Component, openComponent } from '../../../../scripts/real-components.ts'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))

/** The real emulator of Lambda with the real runtime interface client in it. */
export interface RunningLambda extends AsyncDisposable {
  /** Invokes the function, and resolves with its answer. */
  invoke(event: object): Promise<Record<string, unknown>>
  readonly written: string
}

/** What runs in Lambda. */
export interface LambdaOptions {
  readonly emulator: Component
  readonly runtime: Component
  /** Files of the function by name; `lambda.ts` exports `handler`. */
  readonly files: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
}

/** Starts a function in one execution environment, as Lambda would. */
export async function openLambda({ emulator, runtime, files, env }: LambdaOptions): Promise<RunningLambda> {
  // Within the package, so that its dependencies are found.
  const folder = mkdtempSync(join(packageFolder, '.lambda-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  // The client looks for no TypeScript.
  writeFileSync(join(folder, 'index.mjs'), "export { handler } from './lambda.ts'\n")
  const [port, api] = [await freePort(), await freePort()]
  const all = {
    ...env,
    LAMBDA_TASK_ROOT: folder,
    _HANDLER: 'index.handler',
    NODE_OPTIONS: '--conditions=quantum-ip-source',
  }
  const emulates = `127.0.0.1:${port}`
  const running = await openComponent(
    emulator,
    [
      '--runtime-interface-emulator-address',
      emulates,
      '--runtime-api-address',
      `127.0.0.1:${api}`,
      '/usr/bin/env',
      ...Object.entries(all).map(([name, value]) => `${name}=${value}`),
      process.execPath,
      runtime.command,
      'index.handler',
    ],
    { isReady: () => listens(port) },
  ).catch((error: unknown) => {
    remove()
    throw error
  })
  return {
    get written() {
      return running.written
    },
    async invoke(event) {
      const url = `http://127.0.0.1:${port}/2015-03-31/functions/function/invocations`
      const answer = await fetch(url, { method: 'POST', body: JSON.stringify(event) })
      return (await answer.json()) as Record<string, unknown>
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      remove()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
