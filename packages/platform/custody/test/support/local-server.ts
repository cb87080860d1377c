import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as a local server sees it. */
export interface LocalRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly body: Readonly<Record<string, unknown>>
}

/** An answer; `undefined`: none ever comes. */
export type LocalAnswer =
  | {
      readonly status: number
      readonly json: unknown
      readonly type?: string
      readonly headers?: Record<string, string>
    }
  | undefined

/** A server on loopback that answers JSON. */
export interface LocalServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
}

/** Serves `answer` on loopback. */
export async function serveLocally(
  answer: (request: LocalRequest) => LocalAnswer | Promise<LocalAnswer>,
): Promise<LocalServer> {
  const server: Server = createServer((incoming, reply) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const text = Buffer.concat(chunks).toString()
      const answered = await answer({
        method: incoming.method ?? '',
        url: new URL(incoming.url ?? '/', 'http://localhost'),
        headers: incoming.headers,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      })
      if (answered === undefined) return
      const { status, json, type = 'application/json', headers } = answered
      reply
        .writeHead(status, { 'content-type': type, ...headers })
        .end(json === undefined ? '' : JSON.stringify(json))
    })().catch((error: unknown) => reply.writeHead(500).end(String(error)))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
