import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counting } from '../test/fixtures.ts'
import { formatStatus, parseStatus, type StatusField } from './status-field.ts'

const least: StatusField = { status: 'missing', reason: 'token_absent', action: 'allow', mode: 'monitor' }
const full: StatusField = {
  status: 'verified',
  reason: 'ok_shallow',
  action: 'quarantine',
  mode: 'enforce',
  deferred: true,
  sub: 'spiffe://acme.example/ns/prod/sa/checkout',
  bld: counting(32),
  bev: 2,
  id: 'edge-1:01J"\\x',
}
const fullText =
  'status=verified, reason=ok_shallow, action=quarantine, mode=enforce, deferred, ' +
  'sub="spiffe://acme.example/ns/prod/sa/checkout", bld=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:, bev=2, ' +
  'id="edge-1:01J\\"\\\\x"'

test('writes a dictionary of RFC 9651', () => {
  assert.equal(formatStatus(least), 'status=missing, reason=token_absent, action=allow, mode=monitor')
  assert.equal(formatStatus(full), fullText)
})

test('parses what it wrote', () => {
  assert.deepEqual(parseStatus(formatStatus(least)), least)
  assert.deepEqual(parseStatus(fullText), full)
})

const base = 'status=missing, reason=token_absent, action=allow, mode=monitor'
const readable: readonly (readonly [title: string, text: string])[] = [
  ['another order and spacing', 'mode=monitor,action=allow ,\treason=token_absent  , status=missing'],
  ['spaces around', `  ${base}  `],
  ['unknown members of every type', `${base}, a, b=?0, c=-12, d="x", e=tok*/:, f=:AAA=:, *g=1`],
  ['parameters', 'status=missing;q=1;a;b="x;y", reason=token_absent; z=:AA==:, action=allow, mode=monitor'],
  ['a member twice, of which the last counts', `status=invalid, ${base}`],
  ['`deferred=?0`', `${base}, deferred=?0`],
]

for (const [title, text] of readable) {
  test(`reads ${title}`, () => assert.deepEqual(parseStatus(text), least))
}

const malformed: readonly (readonly [title: string, text: string])[] = [
  ['nothing', ''],
  ['a missing member', 'status=missing, action=allow, mode=monitor'],
  ['a comma at the end', `${base},`],
  ['two commas', base.replace(',', ',,')],
  ['no comma', base.replace(',', '')],
  ['an upper-case key', `${base}, Sub="x"`],
  ['a key that begins with a digit', `${base}, 1a=1`],
  ['an open string', `${base}, sub="x`],
  ['a foreign escape', `${base}, sub="\\n"`],
  ['a string beyond ASCII', `${base}, sub="ä"`],
  ['a member without a value after `=`', `${base}, sub=`],
  ['an integer of 16 digits', `${base}, a=1234567890123456`],
  ['an open byte sequence', `${base}, bld=:AAAA`],
  ['a byte sequence that is not canonical', `${base}, bld=:AB==:`],
  ['a build of 31 bytes', `${base}, bld=:${Buffer.alloc(31).toString('base64')}:`],
  ['a status out of the table', base.replace('missing', 'fine')],
  ['an action out of the table', base.replace('allow', 'bless')],
  ['a mode out of the table', base.replace('monitor', 'enforced')],
  ['a status as string', base.replace('missing', '"missing"')],
  ['a reason in capitals', base.replace('token_absent', 'TOKEN')],
  ['binding evidence out of the table', `${base}, bev=4`],
  ['two fields joined by a line break', `${base}\n${base}`],
  ['more than 2,048 characters', `${base}, a="${'x'.repeat(2_048)}"`],
]

for (const [title, text] of malformed) {
  test(`refuses ${title}`, () =>
    assert.throws(() => parseStatus(text), { code: 'QIP_TOKEN_STATUS_MALFORMED' }))
}

test('refuses to write what it could not read, or what would end the field', () => {
  const wrong: readonly Record<string, unknown>[] = [
    { status: 'fine' },
    { reason: 'x, action=allow' },
    { reason: '' },
    { action: 'deny' },
    { mode: 'off' },
    { bld: counting(31) },
    { bev: 4 },
    { sub: 'a\r\nQuantum-IP-Status: x' },
    { id: 'ü' },
  ]
  for (const members of wrong) assert.throws(() => formatStatus({ ...least, ...members }), TypeError)
})
