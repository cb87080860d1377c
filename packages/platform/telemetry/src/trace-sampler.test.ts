import assert from 'node:assert/strict'
import { test } from 'node:test'
import { continueTrace, type ContinuedTrace, TraceSampler, type TraceSampling } from './index.ts'

function begun(traceId = 'f'.repeat(32)): ContinuedTrace {
  return {
    context: { traceId, spanId: '1'.repeat(16), isSampled: false, isRandom: true },
    parentSpanId: null,
  }
}

function sampler(sampling: Partial<TraceSampling>): TraceSampler {
  return new TraceSampler({ share: 0, incidentShare: 1, incident: () => false, ...sampling })
}

test('samples the configured share of the traces that begin here, by their IDs', () => {
  const half = sampler({ share: 0.5 })
  for (const [end, isSampled] of [
    ['00000000', true],
    ['7fffffff', true],
    ['80000000', false],
    ['ffffffff', false],
  ] as const) {
    const { context } = half.decide(begun('a'.repeat(24) + end), true)
    assert.equal(context.isSampled, isSampled, end)
  }
  assert.equal(sampler({ share: 1 }).decide(begun(), true).context.isSampled, true)
  assert.equal(sampler({ share: 0 }).decide(begun('0'.repeat(31) + '1'), true).context.isSampled, false)
})

test('samples an ID exactly where its last 32 bits are below the share of 2^32', () => {
  for (const share of [2 ** -33, 2 ** -32, 1e-9, 0.01, 1 / 3, 0.5, 0.999, 1 - 2 ** -32, 1 - 2 ** -40]) {
    const one = sampler({ share })
    const bound = Math.min(2 ** 32 - 2, Math.floor(share * 2 ** 32))
    for (const bits of [0, 1, bound - 1, bound, bound + 1, 2 ** 32 - 1].filter((each) => each >= 0)) {
      const traceId = 'f'.repeat(24) + bits.toString(16).padStart(8, '0')
      assert.equal(
        one.decide(begun(traceId), true).context.isSampled,
        bits < share * 2 ** 32,
        `${share} ${bits}`,
      )
    }
  }
})

test('while an incident is open, samples more of what is out of the ordinary, and no more of the rest', () => {
  let isOpen = false
  const raised = sampler({ incident: () => isOpen })
  assert.equal(raised.decide(begun(), false).context.isSampled, false)
  isOpen = true
  assert.equal(raised.decide(begun(), false).context.isSampled, true)
  assert.equal(raised.decide(begun(), true).context.isSampled, false)
  isOpen = false
  assert.equal(raised.decide(begun(), false).context.isSampled, false)
})

test('an incident never lowers the share', () => {
  const lower = sampler({ share: 1, incidentShare: 0.1, incident: () => true })
  assert.equal(lower.decide(begun(), false).context.isSampled, true)
})

test('keeps to what a caller says, also while an incident is open', () => {
  const eager = sampler({ share: 1, incident: () => true })
  const random = { bytes: (size: number) => new Uint8Array(size).fill(7) }
  for (const flags of ['00', '01']) {
    const trace = continueTrace(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`, { random })
    assert.equal(eager.decide(trace, false), trace)
    assert.equal(trace.context.isSampled, flags === '01')
  }
})
