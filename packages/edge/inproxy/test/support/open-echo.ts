import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on the loopback. */
export interface LocalServer extends AsyncDisposable {
  readonly url: string
}

/** Serves with `listener`. */
export async function openLocalServer(listener: RequestListener): Promise<LocalServer> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An upstream that answers with the fields that it saw, flat, and what it was sent. */
export function openEcho(): Promise<LocalServer> {
  return openLocalServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      const body = Buffer.concat(chunks)
      response.end(JSON.stringify({ method, url, raw: rawHeaders, bytes: body.length }))
    })
  })
}
