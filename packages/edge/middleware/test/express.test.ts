import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import express from 'express'
import { expressQuantumIp } from '../src/express.ts'
import { runCases } from './support/cases.ts'
import { portOf } from './support/scene.ts'
import { seenBy } from './support/seen.ts'

runCases('Express', async (quantumIp) => {
  const app = express()
  app.use('/cart', expressQuantumIp(quantumIp), async (request, response) => {
    response.json(seenBy(request.quantumIp, request.headers, await text(request)))
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
