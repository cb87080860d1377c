import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addTracestateHint, readTracestateHint, removeTracestateHint, tracestateHint } from './tracestate.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const hint = 'f4b4e363'

test('is the first four bytes of SHA-256 of the audience', () => {
  assert.equal(tracestateHint(shop), hint)
})

const lists: readonly (readonly [list: string, hint: string | undefined, removed: string, added: string])[] =
  [
    ['', undefined, '', `qip=${hint}`],
    ['a=1', undefined, 'a=1', `qip=${hint},a=1`],
    ['a=1,b=2', undefined, 'a=1,b=2', `qip=${hint},a=1,b=2`],
    [`qip=${hint}`, hint, '', `qip=${hint}`],
    ['qip=00000000,a=1', '00000000', 'a=1', `qip=${hint},a=1`],
    ['a=1 ,\tqip=00000000 , b=x y', '00000000', 'a=1,b=x y', `qip=${hint},a=1,b=x y`],
    ['a=qip=00000000', undefined, 'a=qip=00000000', `qip=${hint},a=qip=00000000`],
    ['xqip=00000000', undefined, 'xqip=00000000', `qip=${hint},xqip=00000000`],
    ['qip@a=00000000', undefined, 'qip@a=00000000', `qip=${hint},qip@a=00000000`],
    ['qip=xyz,a=1', undefined, 'a=1', `qip=${hint},a=1`],
    ['qip=,a=1', undefined, 'a=1', `qip=${hint},a=1`],
    ['qip=0000000G,qip=11111111', '11111111', '', `qip=${hint}`],
    ['QIP=00000000', undefined, 'QIP=00000000', `qip=${hint},QIP=00000000`],
    [',,a=1,,', undefined, ',,a=1,,', `qip=${hint},a=1`],
    ['broken,a=1', undefined, 'broken,a=1', `qip=${hint},broken,a=1`],
  ]

for (const [list, found, removed, added] of lists) {
  test(`reads, removes and adds in \`${list}\``, () => {
    assert.equal(readTracestateHint(list), found)
    assert.equal(removeTracestateHint(list), removed)
    assert.equal(addTracestateHint(list, shop), added)
    assert.equal(readTracestateHint(addTracestateHint(list, shop)), hint)
  })
}

test('keeps at most 32 members, and drops the last', () => {
  const members = Array.from({ length: 32 }, (_, i) => `k${i}=v`)
  const added = addTracestateHint(members.join(','), shop).split(',')
  assert.deepEqual(added, [`qip=${hint}`, ...members.slice(0, 31)])
  const withOurs = ['qip=00000000', ...members.slice(0, 31)].join(',')
  assert.deepEqual(addTracestateHint(withOurs, shop).split(','), added)
})
