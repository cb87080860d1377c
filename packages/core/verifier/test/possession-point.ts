import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProofAlgorithm } from '@quantum-ip/crypto'
import { boundTo, possessionCases, possessionKeys } from './possession-cases.ts'

/** What a point answered. */
export interface PossessionAnswer {
  readonly passes: boolean
  /** The reason of the verdict, where it is known. */
  readonly reason: string | undefined
  /** The values of `Workload-Proof-Token` that whoever is behind the point saw. */
  readonly seen?: readonly string[]
}

/** A point to which requests with tokens and proofs are sent. */
export interface PossessionPoint extends AsyncDisposable {
  /** What is asked, without the query that is asked with. */
  readonly uri: string
  readonly nowS: number
  /** Tokens for the service behind it, bound to a key. */
  issue(cnf: { readonly jkt: Uint8Array }): Promise<readonly [string, string]>
  send(token: string, proofs: readonly string[]): Promise<PossessionAnswer>
}

/** Runs the body of possession cases against a point that passes what is proved, and nothing else that is bound. */
export function runPossessionCases(
  title: string,
  open: () => Promise<PossessionPoint>,
  options: { readonly skip?: string | false; readonly alg?: ProofAlgorithm } = {},
): void {
  void test(
    `${title} passes the body of possession cases`,
    { skip: options.skip ?? false },
    async (suite) => {
      await using point = await open()
      for (const { name, passes, proofs, again } of possessionCases) {
        await suite.test(`${passes ? 'passes' : 'refuses'} a bound token with ${name}`, async () => {
          const keys = possessionKeys(options.alg ?? 'Ed25519')
          const [token, otherToken] = await point.issue(boundTo(keys.own))
          const values = await proofs({ keys, token, otherToken, uri: point.uri, nowS: point.nowS })
          if (again === true) assert.equal((await point.send(token, values)).passes, true)
          const answer = await point.send(token, values)
          assert.equal(answer.passes, passes, answer.reason ?? 'no reason')
          if (!passes) assert.equal(answer.reason ?? 'binding_mismatch', 'binding_mismatch')
          assert.deepEqual(answer.seen ?? [], [])
        })
      }
    },
  )
}

/**
 * Runs it against a point that checks no signatures: it may say that it does not know, or refuse, and never passes a bound token.
 */
export function runUnprovedCases(title: string, open: () => Promise<PossessionPoint>): void {
  void test(`${title} passes no token that is bound to a key, whatever proof comes with it`, async (suite) => {
    await using point = await open()
    for (const { name, proofs } of possessionCases) {
      await suite.test(`not with ${name}`, async () => {
        const keys = possessionKeys('Ed25519')
        const [token, otherToken] = await point.issue(boundTo(keys.own))
        const values = await proofs({ keys, token, otherToken, uri: point.uri, nowS: point.nowS })
        assert.equal((await point.send(token, values)).passes, false)
      })
    }
  })
}
