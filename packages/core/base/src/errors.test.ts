import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorTable, QipError, isQipError } from './errors.ts'

interface DemoDetails {
  QIP_DEMO_BUSY: { readonly queue: number }
  QIP_DEMO_WRONG: { readonly name: string }
}

const table: ErrorTable<DemoDetails> = {
  QIP_DEMO_BUSY: { fault: 'busy', message: ({ queue }) => `${queue} wait already` },
  QIP_DEMO_WRONG: {
    fault: 'caller',
    message: ({ name }) => `no \`${name}\``,
    next: ({ name }) => `write \`${name.toLowerCase()}\``,
  },
}

class DemoError<Code extends keyof DemoDetails = keyof DemoDetails> extends QipError<DemoDetails, Code> {
  constructor(code: Code, details: DemoDetails[Code], options?: ErrorOptions) {
    super(table, code, details, options)
  }
}

test('an error says what its row of the table says', () => {
  const cause = new Error('below')
  const error = new DemoError('QIP_DEMO_WRONG', { name: 'Shop' }, { cause })
  assert.equal(error.name, 'DemoError')
  assert.equal(error.code, 'QIP_DEMO_WRONG')
  assert.equal(error.message, 'no `Shop`')
  assert.equal(error.fault, 'caller')
  assert.equal(error.next, 'write `shop`')
  assert.deepEqual(error.details, { name: 'Shop' })
  assert.equal(error.cause, cause)
  assert.ok(error instanceof Error)
  assert.match(error.stack ?? '', /^DemoError|^Error/)
})

test('an error whose row says nothing about it has no next step and no cause', () => {
  const error = new DemoError('QIP_DEMO_BUSY', { queue: 3 })
  assert.equal(error.next, undefined)
  assert.equal('cause' in error, false)
  assert.equal(error.fault, 'busy')
})

const notOurs: Record<string, unknown> = {
  'an error of the runtime': new RangeError('no'),
  'an error with a code of the runtime': Object.assign(new Error('no'), { code: 'ENOENT' }),
  'something that only looks like one': {
    code: 'QIP_DEMO_BUSY',
    fault: 'busy',
    message: '',
    name: 'DemoError',
  },
  'a text': 'QIP_DEMO_BUSY',
  null: null,
  undefined,
}
for (const [title, value] of Object.entries(notOurs)) {
  test(`${title} is not ours`, () => {
    assert.equal(isQipError(value), false)
    assert.equal(isQipError(value, 'QIP_DEMO_BUSY'), false)
  })
}

test('one of ours is known by being one, or by its very code', () => {
  const error = new DemoError('QIP_DEMO_BUSY', { queue: 3 })
  assert.equal(isQipError(error), true)
  assert.equal(isQipError(error, 'QIP_DEMO_BUSY'), true)
  assert.equal(isQipError(error, 'QIP_DEMO_WRONG'), false)
  assert.equal(isQipError(error, ''), false)
})
