import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import Koa from 'koa'
import { koaQuantumIp } from '../src/koa.ts'
import { runCases } from './support/cases.ts'
import { portOf } from './support/scene.ts'
import { seenBy } from './support/seen.ts'

runCases('Koa', async (quantumIp) => {
  const app = new Koa()
  app.use(koaQuantumIp(quantumIp))
  app.use(async (context) => {
    context.body = seenBy(context.quantumIp, context.headers, await text(context.req))
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
})
