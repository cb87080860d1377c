// The body of cases that every framework's adapter runs, through a real server of that framework.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tracestateHint } from '@quantum-ip/token'
import { type Answer, type OpenServer, openScene, policyOf, type Scene, type Seen } from './scene.ts'

function seenOf({ status, json }: Answer): Seen {
  assert.equal(status, 200)
  return json as unknown as Seen
}

function problemOf(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.json['code'], code)
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
}

interface Refused {
  readonly what: string
  readonly reason: string
  /** The caller has proven who it is, and is told why. */
  readonly isTold?: boolean
  readonly fields: (scene: Scene) => Promise<readonly string[]> | readonly string[]
}

const refused: readonly Refused[] = [
  { what: 'no token', reason: 'token_absent', fields: () => [] },
  {
    what: 'a token that was stripped on the way',
    reason: 'token_stripped',
    fields: ({ kit }) => ['tracestate', `a=b, qip=${tracestateHint(kit.service('service'))}`],
  },
  {
    what: 'a truncated token',
    reason: 'token_truncated',
    fields: async ({ kit }) => ['Quantum-IP', await kit.truncated()],
  },
  { what: 'what is no token', reason: 'token_malformed', fields: () => ['Quantum-IP', 'qip1.!!'] },
  {
    what: 'a forged token',
    reason: 'signature_invalid',
    fields: async ({ kit }) => ['Quantum-IP', await kit.forged()],
  },
  {
    what: 'an expired token',
    reason: 'token_expired',
    fields: async ({ kit }) => ['Quantum-IP', await kit.expired()],
  },
  {
    what: 'a token for another service',
    reason: 'audience_mismatch',
    fields: async ({ kit }) => ['Quantum-IP', await kit.token({ audience: kit.service('other') })],
  },
  {
    what: 'two tokens',
    reason: 'token_malformed',
    fields: async ({ kit }) => ['Quantum-IP', await kit.token(), 'quantum-ip', await kit.token()],
  },
  {
    what: 'one token, twice',
    reason: 'token_malformed',
    fields: async ({ kit }) => {
      const token = await kit.token()
      return ['Quantum-IP', token, 'Quantum-IP', token]
    },
  },
  {
    what: 'a token of a revoked caller',
    reason: 'identity_revoked',
    fields: async ({ kit }) => {
      const token = await kit.token()
      await kit.revoke('identity', kit.service('caller'))
      return ['Quantum-IP', token]
    },
  },
  {
    what: 'a token that is bound to a key that the caller does not show',
    reason: 'binding_mismatch',
    isTold: true,
    fields: async ({ kit }) => [
      'Quantum-IP',
      await kit.token({ confirmation: { x5tS256: new Uint8Array(32) } }),
    ],
  },
]

/** Registers all cases for one framework. */
export function runCases(framework: string, open: OpenServer): void {
  runPassing(framework, open)
  for (const { what, reason, isTold = false, fields } of refused) {
    void test(`${framework}: refuses ${what}, with the decision's ID${isTold ? '' : ' and no word why'}`, async () => {
      await using scene = await openScene(open)
      const answer = await scene.ask(await fields(scene))
      problemOf(answer, 401, 'token_refused')
      assert.equal(
        answer.headers['www-authenticate'],
        `Quantum-IP error="${isTold ? reason : 'token_refused'}"`,
      )
      const [record] = scene.records
      assert.equal(record?.reason, reason)
      assert.equal(answer.json['decision'], record?.id)
      assert.equal(answer.text.includes(reason), isTold)
    })
  }
  runActions(framework, open)
  runFailures(framework, open)
}

function runPassing(framework: string, open: OpenServer): void {
  void test(`${framework}: shows who calls, and what the point found in place of what the caller wrote`, async () => {
    await using scene = await openScene(open)
    const build = 'cd'.repeat(32)
    const token = await scene.kit.token({ build })
    const spoofed = 'verified, sub="spiffe://example.test/admin"'
    const hint = `a=b,qip=${tracestateHint(scene.kit.service('service'))}`
    const seen = seenOf(
      await scene.ask([
        'Quantum-IP-Status',
        spoofed,
        'quantum_ip_status',
        spoofed,
        'QUANTUM_IP-STATUS',
        spoofed,
        'Quantum-IP',
        token,
        'tracestate',
        hint,
        'X-Own',
        'kept',
      ]),
    )
    assert.equal(seen.identity, scene.kit.service('caller'))
    assert.equal(seen.action, 'allow')
    assert.equal(seen.decisionId, scene.records[0]?.id)
    assert.ok(!JSON.stringify(seen.headers).includes('admin'))
    assert.ok(!JSON.stringify(seen.headers).includes(token))
    assert.match(
      String(seen.headers['quantum-ip-status']),
      /^status=verified, .*sub="spiffe:\/\/example\.test\/caller"/,
    )
    assert.equal(seen.headers['tracestate'], 'a=b')
    assert.equal(seen.headers['x-own'], 'kept')
  })

  void test(`${framework}: leaves streaming bodies as they are`, async () => {
    await using scene = await openScene(open)
    const pieces = Array.from({ length: 64 }, (_, i) => Buffer.alloc(4_096, 97 + (i % 26)))
    const seen = seenOf(await scene.ask(['Quantum-IP', await scene.kit.token()], pieces))
    assert.equal(seen.body, Buffer.concat(pieces).toString())
  })

  void test(`${framework}: takes a one-time token once`, async () => {
    await using scene = await openScene(open)
    const fields = ['Quantum-IP', await scene.kit.token({ oneTime: true })]
    seenOf(await scene.ask(fields))
    problemOf(await scene.ask(fields), 401, 'token_refused')
    assert.equal(scene.records[1]?.reason, 'token_replayed')
  })

  void test(`${framework}: asks for a staple where nobody can be asked for the head, and takes it`, async () => {
    await using scene = await openScene(open)
    const { token, staple = '' } = await scene.kit.unlisted()
    const answer = await scene.ask(['Quantum-IP', token])
    problemOf(answer, 401, 'token_refused')
    assert.match(String(answer.headers['www-authenticate']), /head="required"/)
    seenOf(await scene.ask(['Quantum-IP', token, 'Quantum-IP-Head', staple]))
  })
}

function runActions(framework: string, open: OpenServer): void {
  void test(`${framework}: refuses with 403 whom the policy refuses, and says why to callers that proved who they are`, async () => {
    const policy = policyOf({
      rules: [{ name: 'only-get', when: 'request.method == "POST"', action: 'reject' }],
    })
    await using scene = await openScene(open, { policy })
    const fields = ['Quantum-IP', await scene.kit.token()]
    const answer = await scene.ask(fields, 'x')
    problemOf(answer, 403, 'policy_refused')
    assert.equal(answer.json['rule'], 'only-get')
    seenOf(await scene.ask(fields))
  })

  void test(`${framework}: lets everything through in monitor mode, and says what it would have done`, async () => {
    await using scene = await openScene(open, { policy: policyOf({ mode: 'monitor' }) })
    const seen = seenOf(await scene.ask(['Quantum-IP', await scene.kit.forged()]))
    assert.equal(seen.identity, undefined)
    assert.equal(seen.reason, 'signature_invalid')
    assert.match(String(seen.headers['quantum-ip-status']), /^status=invalid, reason=signature_invalid/)
    assert.equal(scene.records[0]?.wouldBe, 'reject')
  })

  const when = 'verdict.status == "verified"'
  const quarantine = policyOf({ rules: [{ name: 'suspect', when, action: 'quarantine' }] })

  void test(`${framework}: marks quarantined calls and goes on where the handler is to decide`, async () => {
    await using scene = await openScene(open, { policy: quarantine, quarantine: 'mark' })
    for (let i = 0; i < 12; i++) {
      assert.equal(seenOf(await scene.ask(['Quantum-IP', await scene.kit.token()])).action, 'quarantine')
    }
  })

  void test(`${framework}: gives quarantined calls their small share and 503 beyond it`, async () => {
    await using scene = await openScene(open, { policy: quarantine })
    const token = await scene.kit.token()
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) statuses.push((await scene.ask(['Quantum-IP', token])).status)
    // As at the gateway: the first is there from the start, the next one after a hundred.
    assert.deepEqual(statuses, [200, ...Array.from({ length: 11 }, () => 503)])
  })

  void test(`${framework}: a quarantined call gives its place back when its answer is over`, async () => {
    const limit = { rate: '100000/s', concurrency: 2 }
    const rules = [{ name: 'suspect', when, action: 'quarantine', quarantine: limit }]
    await using scene = await openScene(open, { policy: policyOf({ rules }) })
    const token = await scene.kit.token()
    for (let i = 0; i < 5; i++)
      assert.equal(seenOf(await scene.ask(['Quantum-IP', token])).action, 'quarantine')
  })
}

function runFailures(framework: string, open: OpenServer): void {
  for (const kind of ['throws', 'rejects'] as const) {
    void test(`${framework}: is closed, with 503, where the verifier ${kind}`, async () => {
      const failure = new Error('a defect')
      const verify = (): Promise<never> => {
        if (kind === 'throws') throw failure
        return Promise.reject(failure)
      }
      await using scene = await openScene(open, { verifier: { verify } })
      const answer = await scene.ask(['Quantum-IP', await scene.kit.token()])
      problemOf(answer, 503, 'verification_failed')
      assert.ok(Number(answer.headers['retry-after']) >= 1)
      assert.ok(!answer.text.includes('a defect'))
      assert.deepEqual(scene.errors, [failure])
    })
  }

  void test(`${framework}: is closed, with 503, where trust is stale`, async () => {
    await using scene = await openScene(open, {
      verifierOptions: { clock: { now: () => Date.now() + 400_000 } },
    })
    problemOf(await scene.ask(['Quantum-IP', await scene.kit.token({ ttlS: 3_600 })]), 503, 'unverifiable')
  })
}
