import { createClient, createCluster, type RedisClientOptions } from '@redis/client'
import { ReplayError } from '../replay-errors.ts'
import type { RedisTarget } from '../redis-target.ts'
import { parseRedisUrls, type RedisNode } from './redis-url.ts'
import type { Script } from './scripts.ts'

/** A Redis as the guard needs it: scripts, and word of connections that come and go. */
export interface RedisStore {
  /** Runs a script where its first key lives. Calls of one turn of the event loop travel together. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  close(): void
}

/** What a store tells. */
export interface RedisStoreListener {
  /** A connection is there, for the first time or again: whatever was known of the server may have changed. */
  connected(): void
  /** A connection was lost or not made; once per attempt. `isAll`: there is no other one. */
  failed(error: Error, isAll: boolean): void
}

type Send = (firstKey: string, args: string[]) => Promise<unknown>

const reconnectMs = 250
// What the server neither answers nor refuses for so long is a connection to nothing.
const silentMs = 10_000
const queueMax = 20_000

/**
 * Opens a store. It connects in the background, again and again; what is run meanwhile fails at once.
 *
 * @throws {ReplayError} `QIP_REPLAY_URL_INVALID`
 */
export function openRedisStore(target: RedisTarget, listener: RedisStoreListener): RedisStore {
  const nodes = parseRedisUrls(target.urls)
  const isCluster = target.cluster ?? nodes.length > 1
  const { send, close } = isCluster
    ? openCluster(nodes, target, listener)
    : openSingle(nodes, target, listener)
  return {
    async run(script, keys, args) {
      const [first = ''] = keys
      const rest = [String(keys.length), ...keys, ...args]
      try {
        return await send(first, ['EVALSHA', script.sha1, ...rest])
      } catch (error) {
        // A server that has not seen the script yet, or has forgotten it, has not run anything.
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return send(first, ['EVAL', script.text, ...rest])
      }
    },
    close,
  }
}

interface Opened {
  readonly send: Send
  readonly close: () => void
}

function openSingle(nodes: readonly RedisNode[], target: RedisTarget, listener: RedisStoreListener): Opened {
  const [node] = nodes
  if (node === undefined || nodes.length > 1)
    throw new ReplayError('QIP_REPLAY_URL_INVALID', { reason: 'there are several, and it is no cluster' })
  const client = createClient({
    ...sharedOptions(node),
    ...(node.database !== 0 && { database: node.database }),
    socket: { ...socketOptions(node, target), host: node.host, port: node.port },
  })
  client.on('error', (error: Error) => listener.failed(error, true))
  client.on('ready', () => listener.connected())
  // It fails only when it is closed before it ever connected.
  client.connect().catch(() => {})
  return {
    send: async (_, args) => {
      try {
        return await client.sendCommand(args)
      } catch (error) {
        if (isDeposed(error)) hangUp(client, listener)
        throw error
      }
    },
    close: () => client.destroy(),
  }
}

// A replica that was the primary: its name may lead to another server by now.
function isDeposed(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('READONLY')
}

function hangUp(
  client: { readonly isReady: boolean; destroy(): void; connect(): Promise<unknown> },
  listener: RedisStoreListener,
): void {
  if (!client.isReady) return
  client.destroy()
  listener.failed(new Error('it is a replica now'), true)
  client.connect().catch(() => {})
}

function openCluster(nodes: readonly RedisNode[], target: RedisTarget, listener: RedisStoreListener): Opened {
  const [node] = nodes as readonly [RedisNode, ...RedisNode[]]
  if (nodes.some(({ database }) => database !== 0))
    throw new ReplayError('QIP_REPLAY_URL_INVALID', { reason: 'a cluster has only database 0' })
  const cluster = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: { ...sharedOptions(node), socket: socketOptions(node, target) },
    topologyRefreshOnReconnectionAttemptStrategy: 1_000,
  })
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  const connect = (): void => {
    cluster.connect().catch((error: unknown) => {
      listener.failed(error instanceof Error ? error : new Error('unknown'), true)
      if (!isClosed) timer = setTimeout(connect, reconnectMs).unref()
    })
  }
  cluster.on('error', (error: Error) => listener.failed(error, false))
  cluster.on('node-error', (error: Error) => listener.failed(error, false))
  cluster.on('node-ready', () => listener.connected())
  connect()
  return {
    send: (firstKey, args) =>
      cluster.isOpen
        ? cluster.sendCommand(firstKey, false, args)
        : Promise.reject(new Error('the cluster is not connected')),
    close() {
      isClosed = true
      clearTimeout(timer)
      cluster.destroy()
    },
  }
}

function sharedOptions({ username, password }: RedisNode): RedisClientOptions {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    // A check that waits for a connection would be answered after its time; it fails at once instead.
    disableOfflineQueue: true,
    commandsQueueMaxLength: queueMax,
    // The guard has deadlines of its own; the client's cost an abort signal for each command, a quarter of all its work.
    commandOptions: { timeout: 0 },
    disableClientInfo: true,
    maintNotifications: 'disabled',
    RESP: 3,
  }
}

function socketOptions(node: RedisNode, target: RedisTarget): NonNullable<RedisClientOptions['socket']> {
  const shared = {
    connectTimeout: 2_000,
    socketTimeout: silentMs,
    reconnectStrategy: () => reconnectMs,
  }
  if (!node.tls) return shared
  const { ca, certificate, key } = target
  return {
    ...shared,
    tls: true,
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  }
}
