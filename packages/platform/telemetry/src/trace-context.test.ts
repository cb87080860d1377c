import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { countingRandom } from '../test/samples.ts'
import { continueTrace, formatTraceparent, parseTraceparent } from './index.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

test('reads the fields of W3C Trace Context', () => {
  const cases: [string, boolean, boolean][] = [
    [`00-${traceId}-${spanId}-00`, false, false],
    [`00-${traceId}-${spanId}-01`, true, false],
    [`00-${traceId}-${spanId}-03`, true, true],
    [`00-${traceId}-${spanId}-fe`, false, true],
    [`01-${traceId}-${spanId}-01`, true, false],
    [`cc-${traceId}-${spanId}-01-what-the-future-will-be-like`, true, false],
  ]
  for (const [field, isSampled, isRandom] of cases) {
    assert.deepEqual(parseTraceparent(field), { traceId, spanId, isSampled, isRandom }, field)
  }
})

test('refuses malformed fields', () => {
  const fields = [
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-${spanId}-01`,
    `01-${traceId}-${spanId}-01.more`,
    `0-${traceId}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `01-${traceId}-${spanId}-01-${'x'.repeat(600)}`,
  ]
  for (const field of fields) {
    assert.throws(
      () => parseTraceparent(field),
      (error) => isQipError(error, 'QIP_TELEMETRY_TRACEPARENT_MALFORMED'),
      field,
    )
  }
})

test('continues a trace with a span of its own', () => {
  const { context, parentSpanId } = continueTrace(`00-${traceId}-${spanId}-01`, { random: countingRandom() })
  assert.equal(parentSpanId, spanId)
  assert.deepEqual(context, { traceId, spanId: '0001020304050607', isSampled: true, isRandom: false })
  assert.equal(formatTraceparent(context), `00-${traceId}-0001020304050607-01`)
})

test('begins a trace where there is none or a malformed one', () => {
  for (const field of [undefined, 'nonsense', `00-${'0'.repeat(32)}-${spanId}-01`]) {
    const { context, parentSpanId } = continueTrace(field, { random: countingRandom() })
    assert.equal(parentSpanId, null)
    assert.equal(context.isSampled, false)
    assert.match(formatTraceparent(context), /^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/)
  }
})

test('makes valid IDs even of a generator that gives zeros', () => {
  const { context } = continueTrace(undefined, { random: { bytes: (size) => new Uint8Array(size) } })
  assert.doesNotThrow(() => parseTraceparent(formatTraceparent(context)))
})

test('gives no two traces the same ID, whichever generators take turns', () => {
  const shared = { next: 0 }
  const random = () => ({
    bytes: (size: number) => {
      const bytes = new Uint8Array(size)
      for (let at = 0; at < size; at += 8) new DataView(bytes.buffer).setUint32(at, ++shared.next)
      return bytes
    },
  })
  const [one, other] = [random(), random()]
  const ids = new Set<string>()
  for (let n = 0; n < 400; n++) {
    const { traceId, spanId } = continueTrace(undefined, { random: n % 3 === 0 ? one : other }).context
    ids.add(traceId).add(spanId)
  }
  assert.equal(ids.size, 800)
})
