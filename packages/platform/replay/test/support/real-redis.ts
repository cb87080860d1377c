import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import {
  type Component,
  openComponent,
  type RunningComponent,
} from '../../../../../scripts/real-components.ts'

/** A Redis of the distribution that runs, on the loopback, with a folder of its own. */
export interface RealRedis extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly folder: string
  /** Sends a command, as an operator would. */
  command(...args: string[]): Promise<unknown>
  signal(name: NodeJS.Signals): void
  /** Kills it with SIGKILL and waits until its port is free. */
  kill(): Promise<void>
  /** Starts it again, in the same folder, on the same port. */
  start(): Promise<void>
}

/** Starts a Redis that keeps nothing, but for `args`. */
export async function openRedis(component: Component, args: readonly string[] = []): Promise<RealRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-redis-'))
  const port = await freePort()
  let running: RunningComponent | undefined
  const start = async (): Promise<void> => {
    running = await openComponent(
      component,
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args],
      { isReady: () => answers(port) },
    )
  }
  const kill = async (): Promise<void> => {
    running?.signal('SIGKILL')
    while (await answers(port)) await new Promise((resolve) => setTimeout(resolve, 5))
    await running?.[Symbol.asyncDispose]()
  }
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    folder,
    command: (...words) => command(port, words),
    signal: (name) => running?.signal(name),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await running?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function command(port: number, words: readonly string[]): Promise<unknown> {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand([...words])
  } finally {
    client.destroy()
  }
}

/** A Redis Cluster of primaries, each with a share of the slots. */
export async function openCluster(
  component: Component,
  count: number,
): Promise<AsyncDisposable & { readonly nodes: readonly RealRedis[]; readonly urls: string }> {
  const nodes: RealRedis[] = []
  for (let n = 0; n < count; n++) {
    nodes.push(
      await openRedis(component, [
        '--cluster-enabled',
        'yes',
        '--cluster-node-timeout',
        '2000',
        '--maxmemory-policy',
        'noeviction',
      ]),
    )
  }
  const share = Math.ceil(16_384 / count)
  for (const [n, node] of nodes.entries()) {
    await node.command(
      'CLUSTER',
      'ADDSLOTSRANGE',
      String(n * share),
      String(Math.min(16_383, (n + 1) * share - 1)),
    )
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(n + 1))
    const [first] = nodes
    if (first !== undefined && node !== first)
      await node.command('CLUSTER', 'MEET', '127.0.0.1', String(first.port))
  }
  for (const node of nodes)
    await until(async () => String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  return {
    nodes,
    urls: nodes.map(({ url }) => url).join('\n'),
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]()
    },
  }
}

/** An address that leads to one of several servers, as a virtual IP or a name does. */
export interface Address extends AsyncDisposable {
  readonly url: string
  /** Leads new connections there, and cuts the others. */
  lead(port: number): void
}

/** Opens an address that leads to `port`. */
export async function openAddress(port: number): Promise<Address> {
  let to = port
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead(other) {
      to = other
      cut()
    },
    async [Symbol.asyncDispose]() {
      server.close()
      cut()
      await once(server, 'close')
    },
  }
}

/** Waits until something holds, for at most 20 s. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 10) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to hold within 20 s')
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  // A cluster node takes the port 10,000 above, too.
  return port > 55_000 ? freePort() : port
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
