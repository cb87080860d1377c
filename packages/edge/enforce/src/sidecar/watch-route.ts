import { systemClock } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { WorkloadParts } from './workload-api.ts'
import { stateSchema } from './workload-schemas.ts'

type State = Static<typeof stateSchema>

const waitMaxS = 60
/** Sessions and staleness change without anybody saying so. */
const lookMs = 1_000

/** `GET /v1/watch`: tells when keys, revocations or the session changed. The result lets everybody go who waits. */
export function addWatchRoute(app: App, parts: WorkloadParts): () => void {
  const watch = new Watch(parts)
  app.get(
    '/v1/watch',
    {
      config: { access: 'open', longLived: true },
      schema: {
        description:
          'What is held of the trust domain. With `after`, the answer waits until the revision is another than that, or `wait` seconds: for programs that keep something by themselves.',
        querystring: Type.Object(
          {
            after: Type.Optional(Type.Integer({ minimum: 0 })),
            wait: Type.Optional(
              Type.Integer({ minimum: 0, maximum: waitMaxS, description: 'seconds, default 30' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: stateSchema },
      },
    },
    async (request) => {
      const { after, wait = 30 } = request.query
      if (after !== undefined) await watch.changed(after, { waitMs: wait * 1_000, signal: request.signal })
      return watch.state
    },
  )
  return () => watch.close()
}

class Watch {
  readonly #parts: WorkloadParts
  readonly #waiting = new Set<() => void>()
  #known: State | undefined
  #closed = false

  constructor(parts: WorkloadParts) {
    this.#parts = parts
  }

  /** The state now, with the revision that it has. */
  get state(): State {
    const fresh = this.#read()
    const known = this.#known
    const isSame = known !== undefined && JSON.stringify({ ...known, revision: 0 }) === JSON.stringify(fresh)
    // Begins with the time, so that a client that asks after a restart is not told that nothing has changed.
    if (!isSame) this.#known = { ...fresh, revision: Math.max((known?.revision ?? 0) + 1, systemClock.now()) }
    return this.#known as State
  }

  async changed(after: number, { waitMs, signal }: { waitMs: number; signal: AbortSignal }): Promise<void> {
    const endsMs = performance.now() + waitMs
    while (this.state.revision === after && performance.now() < endsMs && !this.#closed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          this.#waiting.delete(done)
          resolve()
        }
        const timer = setTimeout(done, Math.min(lookMs, Math.max(1, endsMs - performance.now())))
        this.#waiting.add(done)
      })
    }
  }

  close(): void {
    this.#closed = true
    for (const done of this.#waiting) done()
  }

  #read(): State {
    const { trust, session, staleAfterMs } = this.#parts
    return {
      revision: 0,
      bundleSequence: trust.bundle?.sequence ?? null,
      epoch: trust.epoch,
      rootSequence: trust.root?.sequence ?? null,
      sessionExpires: session.admission.expiresS,
      staleness: trust.staleness(systemClock.now(), staleAfterMs) ?? null,
    }
  }
}
