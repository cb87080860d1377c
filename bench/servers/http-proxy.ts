// http-proxy-3 in front of the upstream whose port is the first argument, with connections that are kept.
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { answerLines } from '../lib/answer-lines.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 1_024 })
const proxy = createProxyServer({ target: `http://127.0.0.1:${process.argv[2]}`, agent, xfwd: true })
const server = createServer((request, response) => proxy.web(request, response))

server.listen(0, '127.0.0.1', 1_024, () => {
  answerLines({ info: { port: (server.address() as AddressInfo).port }, close: () => agent.destroy() })
})
