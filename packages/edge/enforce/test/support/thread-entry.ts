import { systemClock } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { TrustStore } from '@quantum-ip/trust'
import { ReplayFilter, createVerifier } from '@quantum-ip/verifier'
import { openForwardAuth, openGateway, serveGatewayThread } from '../../src/index.ts'
import type { ThreadData } from './thread-data.ts'

await serveGatewayThread(async (thread) => {
  const { td, pins, service, upstream, isForward, replay, documents, fails } = thread.data as ThreadData
  if (fails === true && thread.thread === 1) throw new Error('planned')
  const store = new TrustStore({ td, pins })
  await store.applyRoot({ envelope: parseEnvelope(documents.root), timeMs: systemClock.now() })
  await store.applyBundle({ envelope: parseEnvelope(documents.bundle), timeMs: systemClock.now() })
  const apply = async (state: string): Promise<void> => {
    await store.applyState({ envelope: parseEnvelope(state), timeMs: systemClock.now(), revocations: [] })
  }
  for (const state of documents.states) await apply(state)
  thread.onMessage((message) => {
    apply(message as string).then(
      () => thread.post('applied'),
      (error: unknown) => thread.post(String(error)),
    )
  })
  const verifier = createVerifier({
    trust: store,
    clock: systemClock,
    replay: new ReplayFilter(replay, { floorSkewMs: 0 }),
  })
  const options = {
    point: 'edge-1',
    listeners: thread.listeners([{ host: '127.0.0.1' }]),
    verifier,
    policies: new Map(),
    decisions: {
      record: () => {
        thread.post('decided')
        return null
      },
    },
    timeouts: { stopMs: 100 },
  }
  if (upstream !== undefined)
    return openGateway({
      ...options,
      trust: store,
      routes: [{ match: {}, service, upstream: { url: upstream } }],
    })
  if (isForward === true) return openForwardAuth({ ...options, routes: [{ match: {}, service }] })
  const { openExtAuthz } = await import('../../src/ext-authz.ts')
  return openExtAuthz({ ...options, routes: [{ match: {}, service }] })
})
