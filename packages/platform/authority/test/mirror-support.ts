import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ClientError,
  type Mirror as MirrorLink,
  openTransport,
  type Requester,
  type Transport,
  type TrustFollowerOptions,
} from '@quantum-ip/client'
import {
  type MirrorEvent,
  type Mirror,
  type MirrorOptions,
  openMirror,
  serveMirror,
} from '@quantum-ip/mirror'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import { type Authority, type AuthorityServer, serveAuthority } from '../src/index.ts'
import { type Attesting, attesting, openIn } from './support-beyond.ts'

/** An authority behind real HTTP and a Unix socket, with a builder. */
export interface Running extends AsyncDisposable {
  readonly folder: string
  readonly authority: Authority
  readonly served: AuthorityServer
  readonly url: string
  readonly socket: string
  readonly by: Attesting
  /** Stops it for good. */
  stop(): Promise<void>
}

/** Opens an authority that signs states quickly. */
export async function running(): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-mirrored-'))
  const by = attesting()
  const authority = await openIn(folder, { builders: [by.builder], headIntervalMs: 50, heartbeatMs: 200 })
  const socket = join(folder, 'authority.sock')
  const served = await serveAuthority({
    authority,
    listeners: [{ host: '127.0.0.1', port: 0 }, { path: socket }],
  })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= served.server.close({ deadlineMs: 50 }).then(() => authority.close())
    return stopped
  }
  return {
    folder,
    authority,
    served,
    url: served.bound.find(({ port }) => port !== 0)?.url ?? '',
    socket,
    by,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true })
    },
  }
}

/** A trust store with the authority's pins. */
export function storeOf({ authority }: Pick<Running, 'authority'>): TrustStore {
  return new TrustStore({ td: authority.trustDomain, pins: pinsOf(authority.root) })
}

/** The local admin, as whoever follows. */
export function asFollower(transport: Transport): TrustFollowerOptions['session'] {
  return {
    transport,
    request: (request) => transport.request(request),
    stream: (request) => transport.stream(request),
  }
}

/** A mirror over HTTP. */
export interface RunningMirror extends AsyncDisposable {
  readonly mirror: Mirror
  readonly url: string
  readonly link: MirrorLink
  readonly events: MirrorEvent[]
  close(): Promise<void>
}

/** Opens a mirror of whatever is at `source`. */
export async function mirrorOf(
  of: Pick<Running, 'authority' | 'folder'>,
  source: string,
  options: Partial<MirrorOptions> = {},
): Promise<RunningMirror> {
  const transport = openTransport({ url: source, attemptsMax: 1, timeoutMs: 5_000 })
  const events: MirrorEvent[] = []
  const mirror = await openMirror({
    store: storeOf(of),
    session: asFollower(transport),
    directory: join(of.folder, 'mirror'),
    pollMs: 100,
    saveMs: 100,
    onEvent: (event) => events.push(event),
    ...options,
  })
  const served = await serveMirror({ mirror, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const url = served.bound[0]?.url ?? ''
  const reading = openTransport({ url })
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= (async () => {
      await reading.close()
      await served.close()
      await mirror.close()
      await transport.close()
    })()
    return closed
  }
  return { mirror, url, link: { url, requester: reading }, events, close, [Symbol.asyncDispose]: close }
}

/** What a server in between does with one answer. */
export type Tamper = (
  target: string,
  answer: { status: number; body: Buffer; type: string },
  response: ServerResponse,
) => Promise<boolean | void> | boolean | void

/** A server that hands on what `upstream` says, tampered with. */
export interface Between extends AsyncDisposable {
  readonly url: string
  readonly link: MirrorLink
  tamper: Tamper
}

/** Opens a server between a client and `upstream`, over real HTTP. */
export async function between(upstream: string, tamper: Tamper): Promise<Between> {
  const to: Requester = openTransport({ url: upstream, attemptsMax: 1 })
  const server = createServer((request, response) => {
    void hand(request, response)
  })
  const hand = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = request.url ?? ''
    const got = await fetchThrough(upstream, to, target)
    const isDone = await opened.tamper(target, got, response)
    if (isDone === true) return
    response.writeHead(got.status, { 'content-type': got.type })
    response.end(got.body)
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const reading = openTransport({ url })
  const opened: Between = {
    url,
    link: { url, requester: reading },
    tamper,
    async [Symbol.asyncDispose]() {
      await reading.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return opened
}

async function fetchThrough(upstream: string, to: Requester, target: string) {
  if (!upstream.startsWith('unix:')) {
    const answer = await fetch(upstream + target)
    const type = answer.headers.get('content-type') ?? ''
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()), type }
  }
  try {
    const answer = await to.request({ operation: 'a test', method: 'GET', target, answerBytesMax: 2 ** 26 })
    return { status: answer.status, body: Buffer.from(answer.body), type: answer.mediaType }
  } catch (error) {
    const { status = 503, code } = (error as ClientError).details as { status?: number; code?: string }
    const body = Buffer.from(JSON.stringify({ code, title: 'refused' }))
    return { status, body, type: 'application/problem+json' }
  }
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}
