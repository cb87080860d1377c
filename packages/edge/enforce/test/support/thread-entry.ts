import { systemClock } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { type RootPins, TrustStore } from '@quantum-ip/trust'
import { ReplayFilter, createVerifier } from '@quantum-ip/verifier'
import { openGateway, serveGatewayThread } from '../../src/index.ts'

/** What the test gives each thread. */
export interface ThreadData {
  readonly td: string
  readonly pins: RootPins
  readonly service: string
  readonly upstream: string
  readonly replay: SharedArrayBuffer
  readonly documents: { readonly root: string; readonly bundle: string; readonly states: readonly string[] }
  readonly fails?: boolean
}

await serveGatewayThread(async (thread) => {
  const { td, pins, service, upstream, replay, documents, fails } = thread.data as ThreadData
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
  return openGateway({
    point: 'edge-1',
    listeners: thread.listeners([{ host: '127.0.0.1' }]),
    routes: [{ match: {}, service, upstream: { url: upstream } }],
    verifier,
    policies: new Map(),
    trust: store,
    decisions: {
      record: () => {
        thread.post('decided')
        return null
      },
    },
    timeouts: { stopMs: 100 },
  })
})
