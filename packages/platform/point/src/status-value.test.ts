import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from '@quantum-ip/policy'
import { formatStatus } from '@quantum-ip/token'
import { type Verdict, bindingEvidences, reasons, statusOf } from '@quantum-ip/verifier'
import { statusValue } from './status-value.ts'

const identity = 'spiffe://acme.example/ns/prod/sa/web'
const digest = new Uint8Array(32).map((_, i) => i * 7)

test('writes what `formatStatus` writes, for every combination', () => {
  for (const reason of reasons) {
    for (const action of ['allow', 'quarantine', 'reject'] as const) {
      for (const mode of ['monitor', 'canary', 'enforce'] as const) {
        for (const [bits, evidence] of bindingEvidences.entries()) {
          const deferred = bits % 2 === 1
          const id = bits === 2 ? null : 'edge-1-01mcc5rm00abcdefghjkmnpqrs'
          const status = statusOf(reason)
          const sub = bits === 3 ? undefined : identity
          const build = bits === 0 ? undefined : { digest, evidence }
          const verdict = { status, reason, identity: sub, build } as Verdict
          const bev = bits as 0 | 1 | 2 | 3
          const expected = formatStatus({
            status,
            reason,
            action,
            mode,
            deferred,
            sub,
            id: id ?? undefined,
            ...(build !== undefined && { bld: digest, bev }),
          })
          assert.equal(statusValue(verdict, { action, mode, deferred } as Decision, id), expected)
        }
      }
    }
  }
})
