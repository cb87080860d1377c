import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { MirrorError } from '../mirror-errors.ts'
import { type HeadPlace, HeadRelay } from './head-relay.ts'

const at = (start: number): HeadPlace => ({ keyId: 7, start, end: start + 1 })

let nowMs = 0
let asked: number[] = []
beforeEach(() => {
  nowMs = 1_000_000
  asked = []
})

function relay(answer: (place: HeadPlace) => Promise<string | undefined>): HeadRelay {
  const ask = (place: HeadPlace) => {
    asked.push(place.start)
    return answer(place)
  }
  return new HeadRelay({ ask, clock: { now: () => nowMs } })
}

test('asks once for a head that many want at the same time, and keeps it', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const heads = relay(() => promise)
  const wanted = Array.from({ length: 500 }, () => heads.find(at(1)))
  resolve('head')
  assert.deepEqual(new Set(await Promise.all(wanted)), new Set(['head']))
  nowMs += 3_600_000
  assert.equal(await heads.find(at(1)), 'head')
  assert.deepEqual(asked, [1])
})

test('has so many questions at once, and refuses the next head until one is answered', async () => {
  const answers: (() => void)[] = []
  const heads = relay(() => new Promise((resolve) => answers.push(() => resolve('head'))))
  const wanted = Array.from({ length: 16 }, (_, nth) => heads.find(at(nth)))
  await assert.rejects(heads.find(at(16)), {
    code: 'QIP_HTTP_OVERLOADED',
    details: { retryAfterS: 1 },
  })
  const joined = heads.find(at(3))
  answers[0]?.()
  await wanted[0]
  const next = heads.find(at(16))
  for (const tell of answers) tell()
  await Promise.all([...wanted, joined, next])
  assert.equal(asked.length, 17)
})

test('asks so often in a second and no more, and gives out what it holds all the same', async () => {
  const heads = relay(() => Promise.resolve('head'))
  for (let nth = 0; nth < 100; nth++) await heads.find(at(nth))
  await assert.rejects(heads.find(at(100)), { code: 'QIP_HTTP_OVERLOADED' })
  assert.equal(await heads.find(at(99)), 'head')
  nowMs += 1_000
  assert.equal(await heads.find(at(100)), 'head')
})

test('remembers for a second that there is none, where the authority says so', async () => {
  let head: string | undefined
  const heads = relay(() => Promise.resolve(head))
  assert.equal(await heads.find(at(1)), undefined)
  head = 'signed since'
  nowMs += 999
  assert.equal(await heads.find(at(1)), undefined)
  assert.equal(asked.length, 1)
  nowMs += 1
  assert.equal(await heads.find(at(1)), head)
})

test('does not remember that the authority could not be asked', async () => {
  let isAway = true
  const away = new MirrorError('QIP_MIRROR_NOT_HELD', { what: 'it' })
  const heads = relay(() => (isAway ? Promise.reject(away) : Promise.resolve('head')))
  assert.equal(await heads.find(at(1)), undefined)
  isAway = false
  assert.equal(await heads.find(at(1)), 'head')
})
