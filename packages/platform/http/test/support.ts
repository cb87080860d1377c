import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Bound,
  type Listener,
  openServer,
  type OpenServerOptions,
  type Problem,
  type Server,
} from '../src/index.ts'

/** A server on a free port of the loopback. */
export async function started(
  options: Partial<OpenServerOptions>,
  register: (server: Server) => void,
  listeners: readonly Listener[] = [{ host: '127.0.0.1', port: 0 }],
): Promise<
  { readonly server: Server; readonly bound: readonly Bound[]; readonly port: number } & AsyncDisposable
> {
  const server = await openServer({ title: 'test', version: '1', ...options })
  register(server)
  const bound = await server.listen(listeners)
  return {
    server,
    bound,
    port: bound[0]?.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await server.close({ deadlineMs: 200 })
    },
  }
}

/** A directory that is gone after the test. */
export async function folder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'qip-http-'))
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly json: Problem & Record<string, unknown>
}

export interface Call {
  readonly port?: number
  readonly socketPath?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
  readonly tls?: { readonly ca: string; readonly ecdhCurve?: string }
  readonly host?: string
}

/** One request on a connection of its own, with node:http, which hides nothing. */
export async function call(options: Call): Promise<Answer> {
  const { tls, body, path = '/', method = body === undefined ? 'GET' : 'POST', headers = {} } = options
  const sent = {
    ...(options.socketPath === undefined
      ? { host: options.host ?? '127.0.0.1', port: options.port }
      : { socketPath: options.socketPath }),
    method,
    path,
    agent: false as const,
    headers: {
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
  }
  return await new Promise<Answer>((resolve, reject) => {
    const made =
      tls === undefined ? httpRequest(sent) : httpsRequest({ ...sent, ...tls, servername: 'localhost' })
    made.on('error', reject)
    made.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = String(response.headers['content-type']).includes('json')
        const json = (isJson ? JSON.parse(text) : {}) as Answer['json']
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
      })
    })
    made.end(body)
  })
}

/** Bytes out, bytes back until the other side ends. */
export async function raw(port: number, bytes: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.write(bytes)
  })
}

/** A client of a feed that is read by hand. */
export async function feedClient(port: number, headers: Record<string, string> = {}): Promise<FeedClient> {
  const socket = connect(port, '127.0.0.1')
  const client = new FeedClient(socket)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET /feed HTTP/1.1\r\nhost: x\r\n${lines.join('')}\r\n`)
  await client.until((text) => text.includes('retry: '))
  return client
}

export class FeedClient {
  readonly socket: Socket
  text = ''
  closed = false
  #changed: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      this.text += chunk
      this.#changed?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.#changed?.()
    })
  }

  /** The IDs received so far. */
  get ids(): string[] {
    return [...this.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id ?? '')
  }

  async until(holds: (text: string) => boolean): Promise<void> {
    while (!holds(this.text)) {
      if (this.closed) throw new Error(`closed after: ${this.text.slice(-200)}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }
}

/** Waits for something that has no event of its own. */
export async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never came true')
}
