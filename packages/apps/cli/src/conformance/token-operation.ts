import { type JsonObject } from '@quantum-ip/base'
import { parseEnvelope } from '@quantum-ip/crypto'
import { formatStaple, parseStaple, readToken, type StapledHead, TokenRefusal } from '@quantum-ip/token'
import { parseState } from '@quantum-ip/trust'
import { createVerifier, type OneTimeUse, type ReplayGuard } from '@quantum-ip/verifier'
import { verdictJson } from '@quantum-ip/point'
import type { Fields } from './fields.ts'
import { attempt, staplesOf, timeMsOf, trustOf } from './trust-fields.ts'

/**
 * `token-verify`: the verdict on one token at one time, by the trust documents that are given. Every form is accepted but the
 * reference, which somebody would have to be asked for.
 *
 * `ok` says that there is a verdict, not that it is good. A driver shows one moment: a one-time token counts as never seen.
 */
export async function tokenVerify(fields: Fields): Promise<JsonObject> {
  const timeMs = timeMsOf(fields)
  const trust = await trustOf(fields, stateTimeOf(fields))
  const token = fields.optionalText('token')
  const staple = token === undefined ? undefined : stapleFor(token, staplesOf(fields))
  const verifier = createVerifier({
    trust,
    clock: { now: () => timeMs },
    replay: neverSeen,
    heads: { unanchored: 'accept' },
  })
  const verdict = await verifier.verify({
    token,
    tokenCount: token === undefined ? 0 : 1,
    staple,
    audience: fields.text('audience'),
    acceptStandalone: true,
    acceptJwt: true,
  })
  return { verdict: verdictJson(verdict) }
}

/**
 * Documents are taken as of the state's own time, and judged at the time asked for: one that has ended by then, or is from its
 * future, is a verdict of the engine, as at a verifier that has held it since.
 */
function stateTimeOf(fields: Fields): number {
  return parseState(parseEnvelope(fields.document('state')).payload).timeMs
}

const neverSeen: ReplayGuard = {
  scope: 'instance',
  consume: (_use: OneTimeUse) => 'fresh',
  observe: () => undefined,
  ready: () => true,
}

// A request carries one staple, a driver may give the heads of a whole batch: the token's own is picked out.
function stapleFor(token: string, staples: readonly string[]): string | undefined {
  const read = readToken(token)
  if (read instanceof TokenRefusal || read.form === 'reference' || read.form === 'jwt') return staples[0]
  const { start, end, keyId } = read
  const isOwn = (head: StapledHead) =>
    head.start === start && head.end === end && head.sigs.some((sig) => sig.keyId === keyId)
  const heads = staples.flatMap((staple) => attempt(() => parseStaple(staple)) ?? [])
  const own = heads.find((head) => isOwn(head))
  return own === undefined ? staples[0] : formatStaple([own])
}
