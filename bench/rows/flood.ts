// verify_flood: what tokens whose heads are held wait for, while others make the verifier check signatures that do not hold.
import { availableParallelism } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import type { Reason, Verdict, Verifier } from '@quantum-ip/verifier'
import { percentile, round, type Rows } from '../lib/measure.ts'
import { freshCopy, issueMany, newDomain, service } from '../lib/tokens.ts'

/** Requests per second with a token that is verified at once. */
const heldPerS = 1_000
/** Requests per second whose signature must be checked first, and does not hold. */
const floodPerS = 6_000
const measureMs = 6_000

interface Stream {
  readonly perS: number
  readonly next: () => string
  readonly accept: { readonly acceptJwt?: boolean; readonly acceptStandalone?: boolean }
  readonly ended: (verdict: Verdict, dueMs: number) => void
}

/** Tokens that no cache knows and no check passes: each is another one, and looks good until its signature is checked. */
function forge(token: string, charsAfter: number): () => string {
  let at = 0
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return () => {
    at++
    const place = token.length - charsAfter - (at % 199)
    const digit = digits[(at * 7) % 64] ?? ''
    return `${token.slice(0, place)}${digit === token[place] ? (digits[(at * 7 + 1) % 64] ?? '') : digit}${token.slice(place + 1)}`
  }
}

/** Sends streams at their rates for a while; what is late is sent as soon as the thread is free. */
async function send(verifier: Verifier, streams: readonly Stream[]): Promise<void> {
  const startedMs = performance.now()
  const sent = streams.map(() => 0)
  const waiting = new Set<Promise<void>>()
  for (;;) {
    const nowMs = performance.now()
    if (nowMs - startedMs > measureMs) break
    for (const [place, { perS, next, accept, ended }] of streams.entries()) {
      const due = Math.floor(((nowMs - startedMs) * perS) / 1_000)
      for (; (sent[place] ?? 0) < due; sent[place] = (sent[place] ?? 0) + 1) {
        const dueMs = startedMs + (((sent[place] ?? 0) + 1) * 1_000) / perS
        const verdict = verifier.verify({ token: next(), tokenCount: 1, audience: service, ...accept })
        if (!(verdict instanceof Promise)) ended(verdict, dueMs)
        else {
          const settled: Promise<void> = verdict
            .then((later) => ended(later, dueMs))
            .finally(() => waiting.delete(settled))
          waiting.add(settled)
        }
      }
    }
    await turn()
  }
  await Promise.all(waiting)
}

/** The latency of held tokens alone, and under a flood of forged JWTs and forged standalone tokens. */
export async function verifyFlood(): Promise<Rows> {
  const domain = await newDomain()
  const held = (await issueMany(domain, 4_096)).map(({ text }) => text)
  const batch = Array.from({ length: 64 }, () => ({ aud: [service] }))
  const [standalone] = await domain.issue(batch, { form: 'standalone', publish: false })
  const jwt = await domain.issueJwt({ aud: [service] })
  // Of the JWT the signature is changed; of the standalone token the path, which stands before 3,260 characters of signature.
  const forgeries = [forge(jwt, 40), forge(standalone?.text ?? '', 3_260)]
  const measured = async (floods: boolean, signatures = {}) => {
    const verifier = domain.verifier({ signatures })
    const latencies: number[] = []
    const reasons = new Map<Reason, number>()
    let at = 0
    await send(verifier, [
      {
        perS: heldPerS,
        next: () => freshCopy(held[at++ % held.length] ?? ''),
        accept: {},
        ended: (_, dueMs) => latencies.push(performance.now() - dueMs),
      },
      ...(floods
        ? forgeries.map((next) => ({
            perS: floodPerS / 2,
            next,
            accept: { acceptJwt: true, acceptStandalone: true },
            ended: ({ reason }: Verdict) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1),
          }))
        : []),
    ])
    verifier.close()
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), reasons }
  }
  const calm = await measured(false)
  const unbounded = await measured(true, { atOnce: 1_024, waitingMax: 1_024, waitMsMax: 60_000 })
  const flooded = await measured(true)
  const passed = [...flooded.reasons].filter(([reason]) => reason.startsWith('ok')).length
  return {
    verify_flood: {
      value: round(flooded.p99),
      unit: 'ms p99 of held tokens under the flood',
      against: 'the same without a bound on the checks at once',
      ratio: round(unbounded.p99 / flooded.p99),
      bar: 'nothing forged passes',
      reached: passed === 0,
      detail: {
        p50: round(flooded.p50),
        'unbounded p50, p99': `${round(unbounded.p50)} ${round(unbounded.p99)}`,
        'calm p50, p99': `${round(calm.p50)} ${round(calm.p99)}`,
        cores: availableParallelism(),
        ...Object.fromEntries(flooded.reasons),
      },
    },
  }
}
