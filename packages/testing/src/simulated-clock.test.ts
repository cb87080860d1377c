import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedClock, simulationStartMs } from './simulated-clock.ts'

test('stands still until it is moved, in both directions', () => {
  const clock = simulatedClock()
  assert.equal(clock.now(), simulationStartMs)
  assert.equal(clock.advance(1_500), simulationStartMs + 1_500)
  clock.advance(-500)
  assert.equal(clock.now(), simulationStartMs + 1_000)
  clock.set(5)
  assert.equal(clock.now(), 5)
})
