// What handlers read is typed in each framework: the compiler checks this file (`npm run check`), and each adapter is made as it stands here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { ServiceId } from '@quantum-ip/base'
import { createTestAuthority } from '@quantum-ip/testkit'
import { expressQuantumIp } from '../src/express.ts'
import { fastifyQuantumIp } from '../src/fastify.ts'
import type { quantumIpOf } from '../src/grpc.ts'
import { honoQuantumIp } from '../src/hono.ts'
import { createQuantumIp, type QuantumIpCall } from '../src/index.ts'
import { koaQuantumIp } from '../src/koa.ts'
import { verified, verifiedUpgrade } from '../src/node-http.ts'
import { verifiedFetch } from '../src/web.ts'

/** Whether a type is that of a call: `0 extends 1 & Read` is so for `any` alone. */
type IsCall<Read> = 0 extends 1 & Read
  ? false
  : [Read, QuantumIpCall] extends [QuantumIpCall, Read]
    ? true
    : false

/** Compiles for the type of a call alone: not for `any`, not for one that may be absent. */
function isCall<Read>(_read: Read, ..._same: IsCall<Read> extends true ? [] : [never]): void {}

test('request.quantumIp is a call in every framework, and its identity a service ID or absent', async () => {
  const kit = await createTestAuthority()
  const quantumIp = createQuantumIp({ service: kit.service('shop'), verifier: kit.verifier() })
  verified(quantumIp, (request) => isCall(request.quantumIp))
  verifiedUpgrade(quantumIp, (request) => isCall(request.quantumIp))
  express().use(expressQuantumIp(quantumIp), (request) => isCall(request.quantumIp))
  const app = fastify()
  await app.register(fastifyQuantumIp(quantumIp))
  app.get('/', async (request) => isCall(request.quantumIp))
  new Hono().use(honoQuantumIp(quantumIp)).get('/', (context) => {
    isCall(context.var.quantumIp)
    return context.text('')
  })
  new Koa().use(koaQuantumIp(quantumIp)).use((context) => isCall(context.quantumIp))
  const seen: (ServiceId | undefined)[] = []
  const handler = verifiedFetch(quantumIp, (_request, { quantumIp: call }) => {
    isCall(call)
    seen.push(call.identity)
    return new Response()
  })
  const headers = await kit.headers('ok', { audience: kit.service('shop') })
  await handler(new Request('https://shop.example.test/', { headers }))
  assert.deepEqual(seen, [kit.service('caller')])
  isCall({} as ReturnType<typeof quantumIpOf>)
  // @ts-expect-error -- what is not judged is no call
  isCall({} as { readonly identity: string })
  // @ts-expect-error -- nor is what nobody has typed
  isCall({} as any) // oxlint-disable-line typescript/no-explicit-any -- the point of the line
})
