import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Component, openComponent } from '../../../../../scripts/real-components.ts'
import { edgeScript } from '../../src/index.ts'
import { type LocalServer, openEcho, openLocalServer } from './open-echo.ts'

/** A worker in workerd, on the loopback. */
export interface RunningWorker extends AsyncDisposable {
  readonly port: number
  /** What the worker has written so far. */
  readonly written: string
}

// Two modules, a socket, and a network that reaches the loopback.
const config = (port: number): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "quantum-ip.js", esModule = embed "quantum-ip.js")
  ],
  compatibilityDate = "2026-01-01"
);
`

/** Runs a worker that imports our script from `./quantum-ip.js`. */
export async function openWorker(workerd: Component, worker: string): Promise<RunningWorker> {
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'qip-workerd-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const spare = await openEcho()
  const port = Number(new URL(spare.url).port)
  await spare[Symbol.asyncDispose]()
  await writeFile(join(folder, 'worker.js'), worker)
  await writeFile(join(folder, 'quantum-ip.js'), edgeScript('worker'))
  await writeFile(join(folder, 'config.capnp'), config(port))
  const isReady = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ status }) => status !== 0,
      () => false,
    )
  const running = opened.use(
    await openComponent(workerd, ['serve', join(folder, 'config.capnp')], { isReady }),
  )
  const closing = opened.move()
  return {
    port,
    get written() {
      return running.written
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

/** Serves the folder of the held state, as a web server would. */
export function serveFolder(directory: string): Promise<LocalServer> {
  return openLocalServer(({ url = '' }, response) => {
    readFile(join(directory, url)).then(
      (text) => response.end(text),
      () => response.writeHead(404).end(),
    )
  })
}
