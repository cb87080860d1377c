import assert from 'node:assert/strict'
import { hex } from '@quantum-ip/base'
import { formatMerkleToken, tracestateHint } from '@quantum-ip/token'
import type { Reason } from '@quantum-ip/verifier'
import type { CaseWorld } from './case-world.ts'
import { type AskOptions, type Asked, ask } from './scene.ts'

/** A point under test, with what stands before it. Its routes are `caseRoutes`, its policies `casePolicies`. */
export interface CasePoint extends AsyncDisposable {
  /** Where callers reach it over HTTP/1.1. */
  readonly port: number
  /** What it answers where nothing could be found out: 503, or 403 where nothing but 401 and 403 gets through. */
  readonly unverifiableStatus: 403 | 503
  /** Whether it carries WebSockets, on the same port. */
  readonly webSocket?: boolean
  /** Where it carries gRPC, over HTTP/2 without TLS. */
  readonly grpcPort?: number
  /** Cases that it cannot have, each with the reason. */
  readonly without?: { readonly [name: string]: string }
  /** What it answers to a reason, where that differs. */
  readonly statuses?: { readonly [reason in Reason]?: number }
  /** What the point itself puts before a caller's `tracestate`. Default: nothing. */
  readonly ownTracestate?: RegExp
  /** Whether it records what it decides. Default: it does. */
  readonly records?: boolean
  /** Brings what it goes by up to date, where it does not itself follow the domain of the case. */
  settle?(): Promise<void>
  /** The reason of its last verdict, where it was not recorded. */
  reasonOf?(): Promise<string>
  /** How a request is sent, where it is not over HTTP/1.1 to `port`. */
  send?(options: AskOptions): Promise<Asked>
}

type Arranged = Pick<AskOptions, 'token' | 'fields'>

/** A way to a verdict. What it is refused with follows from the reason. */
export interface ReasonCase {
  readonly reason: Reason
  /** How far it moves the domain's clock on; milliseconds. Default 0. */
  readonly advancesMs?: number
  readonly arrange: (world: CaseWorld, point: CasePoint) => Promise<Arranged>
}

const hour = 3_600_000
const bytes = new Uint8Array(32).fill(9)

/** Every reason that can be produced on the wire. `ok_retry` needs a named proxy, and has tests of its own. */
export const reasonCases: readonly ReasonCase[] = [
  { reason: 'ok', arrange: async ({ domain }) => ({ token: (await domain.issueOne()).text }) },
  {
    reason: 'ok_shallow',
    async arrange({ domain }) {
      const { build, att } = await domain.registry.attest()
      return { token: (await domain.issueOne({ bld: build, att })).text }
    },
  },
  { reason: 'token_absent', arrange: () => Promise.resolve({}) },
  {
    reason: 'token_stripped',
    arrange: ({ domain }) =>
      Promise.resolve({ fields: ['tracestate', `a=1,qip=${tracestateHint(domain.shop)}`] }),
  },
  {
    reason: 'token_truncated',
    arrange: async ({ domain }) => ({ token: (await domain.issueOne()).text.slice(0, 100) }),
  },
  { reason: 'token_malformed', arrange: () => Promise.resolve({ token: 'Bearer x' }) },
  {
    reason: 'key_unknown',
    async arrange({ domain }) {
      const token = await domain.issueOne()
      return { token: formatMerkleToken({ ...token, keyId: (token.keyId ^ 1) >>> 0 }) }
    },
  },
  {
    reason: 'signature_invalid',
    async arrange({ domain }) {
      // One of several: a single token is its own head, and has no path to bend.
      const [token] = await domain.issue([{}, {}, {}, {}])
      assert.ok(token !== undefined)
      const path = token.path.map((hash) => hash.map((byte) => byte ^ 1))
      return { token: formatMerkleToken({ ...token, path }) }
    },
  },
  {
    reason: 'head_unknown',
    async arrange({ domain }) {
      const { text } = await domain.issueOne({}, { publish: false })
      domain.hideHeads()
      await domain.publish()
      return { token: text }
    },
  },
  {
    reason: 'token_expired',
    async arrange({ domain }) {
      const iat = domain.nowS() - 400
      return { token: (await domain.issueOne({ iat, exp: iat + 60 })).text }
    },
  },
  {
    reason: 'token_not_yet_valid',
    async arrange({ domain }) {
      return { token: (await domain.issueOne({ iat: domain.nowS() + 120 })).text }
    },
  },
  {
    reason: 'audience_mismatch',
    arrange: async ({ domain }) => ({ token: (await domain.issueOne({ aud: [domain.web] })).text }),
  },
  {
    reason: 'binding_mismatch',
    arrange: async ({ domain }) => ({ token: (await domain.issueOne({ cnf: { jkt: bytes } })).text }),
  },
  {
    reason: 'token_replayed',
    async arrange({ domain }, point) {
      const { text: token } = await domain.issueOne({ use: 1 })
      assert.equal((await send(point, { token })).status, 200, 'the first time')
      return { token }
    },
  },
  {
    reason: 'key_revoked',
    async arrange({ domain }) {
      const { text: token } = await domain.issueOne()
      await domain.setKeyState('issuer/1', 'compromised')
      return { token }
    },
  },
  {
    reason: 'token_revoked',
    async arrange({ domain }) {
      const { text: token, digest } = await domain.issueOne()
      await domain.revoke({ kind: 'token', value: hex(digest) })
      return { token }
    },
  },
  {
    reason: 'identity_revoked',
    async arrange({ domain }) {
      const { text: token } = await domain.issueOne()
      await domain.revoke({ kind: 'identity', value: domain.web })
      return { token }
    },
  },
  {
    reason: 'build_revoked',
    async arrange({ domain }) {
      const { text: token } = await domain.issueOne({ bld: bytes })
      await domain.revoke({ kind: 'build', value: hex(bytes) })
      return { token }
    },
  },
  {
    reason: 'attestation_invalid',
    async arrange(world) {
      world.use({ attestations: { source: world.domain.registry, deep: 'always' } })
      return { token: (await world.domain.issueOne({ bld: bytes, att: [1, 77] })).text }
    },
  },
  {
    reason: 'trust_stale',
    advancesMs: 300_001,
    async arrange({ domain }) {
      const { text: token } = await domain.issueOne({ exp: domain.nowS() + 900 })
      await domain.advance(300_001, { publish: false })
      return { token }
    },
  },
  {
    reason: 'head_unavailable',
    arrange: async ({ domain }) => ({ token: (await domain.issueOne({}, { publish: false })).text }),
  },
  {
    reason: 'attestation_unavailable',
    async arrange(world) {
      const { registry } = world.domain
      const { build, att } = await registry.attest()
      registry.isDown = true
      world.use({ attestations: { source: registry, deep: 'always' } })
      return { token: (await world.domain.issueOne({ bld: build, att })).text }
    },
  },
  {
    reason: 'attestation_stale',
    advancesMs: hour,
    async arrange(world) {
      const { domain } = world
      const { build, att } = await domain.registry.attest()
      const claims = { bld: build, att }
      const verifier = world.use({
        attestations: { source: domain.registry, deep: 'always', freshMs: hour },
      })
      await verifier.verify(domain.input((await domain.issueOne(claims)).text))
      await domain.advance(hour)
      domain.registry.isDown = true
      return { token: (await domain.issueOne(claims)).text }
    },
  },
  {
    reason: 'replay_unavailable',
    advancesMs: 1_000,
    async arrange(world) {
      const { text: token } = await world.domain.issueOne({ use: 1 })
      await world.domain.advance(1_000)
      world.use()
      return { token }
    },
  },
  {
    reason: 'overloaded',
    async arrange(world) {
      const { domain } = world
      const { text: token } = await domain.issueOne({}, { publish: false })
      const source = { fetchHead: () => new Promise<undefined>(() => {}) }
      const verifier = world.use({ heads: { source }, pendingMax: 1 })
      void verifier.verify(domain.input(token))
      return { token }
    },
  },
]

/** What a point answers to a verdict that no policy makes an exception for. */
export function statusFor(reason: Reason, { unverifiableStatus, statuses }: CasePoint): number {
  const differs = statuses?.[reason]
  if (differs !== undefined) return differs
  if (reason === 'ok') return 200
  // The default of `verified` does not take it: a policy must name it.
  if (reason === 'ok_shallow') return 403
  // The one thing that a caller can bring itself is asked for with a challenge.
  if (reason === 'head_unavailable') return 401
  const nothingFound: readonly string[] = [
    'trust_stale',
    'attestation_unavailable',
    'attestation_stale',
    'replay_unavailable',
    'overloaded',
  ]
  return nothingFound.includes(reason) ? unverifiableStatus : 401
}

/** Sends a request through a point. */
export async function send(point: CasePoint, options: AskOptions): Promise<Asked> {
  await point.settle?.()
  return (await point.send?.(options)) ?? ask(point.port, options)
}
