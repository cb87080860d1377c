import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A small service behind the gateway: answers with its name and with what the gateway told it. */
export interface DemoUpstream {
  readonly url: string
  close(): Promise<void>
}

/** Opens a service of the demonstration on a free port of the loopback. */
export async function openDemoUpstream(name: string): Promise<DemoUpstream> {
  const server: Server = createServer((request, response) => {
    const status = request.headers['quantum-ip-status'] ?? null
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify({ service: name, path: request.url, 'quantum-ip-status': status })}\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
