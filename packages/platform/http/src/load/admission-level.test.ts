import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdmissionLevel, loadPriorities } from './admission-level.ts'

const windowMs = 100
const targetMs = 20

/** A server that does so many requests in a window, and has a queue: what it is asked, and what became of it. */
class SimulatedServer {
  readonly level = new AdmissionLevel()
  readonly #perWindow: number
  #queued = 0
  delayMs = 0

  constructor(perWindow: number) {
    this.#perWindow = perWindow
  }

  /** One window with so many requests of each priority; the share of each that is let in. */
  run(asked: readonly number[]): readonly number[] {
    const admitted = asked.map(() => 0)
    const most = Math.max(...asked)
    for (let at = 0; at < most; at++) {
      for (const [priority, count] of asked.entries()) {
        if (at < count && this.level.admit(priority)) admitted[priority] = (admitted[priority] ?? 0) + 1
      }
    }
    const sum = admitted.reduce((all, one) => all + one, 0)
    this.#queued = Math.max(0, this.#queued + sum - this.#perWindow)
    this.delayMs = (this.#queued / this.#perWindow) * windowMs
    this.level.endWindow(this.delayMs, targetMs)
    return admitted.map((count, priority) => count / Math.max(1, asked[priority] ?? 0))
  }

  /** The mean of the shares over several windows. */
  runMany(windows: number, asked: readonly number[]): readonly number[] {
    const sums = asked.map(() => 0)
    for (let at = 0; at < windows; at++) {
      for (const [priority, share] of this.run(asked).entries())
        sums[priority] = (sums[priority] ?? 0) + share
    }
    return sums.map((sum) => sum / windows)
  }
}

test('lets everything in as long as work is not late', () => {
  const server = new SimulatedServer(1_000)
  assert.deepEqual(server.runMany(50, [300, 300, 300]), [1, 1, 1])
})

test('sheds the low priority first, then the next, and keeps the delay bounded', () => {
  const server = new SimulatedServer(1_000)
  server.runMany(50, [400, 400, 4_000])
  const [critical = 0, standard = 0, low = 0] = server.runMany(200, [400, 400, 4_000])
  assert.ok(critical > 0.99, `critical ${critical}`)
  assert.ok(standard > 0.95, `standard ${standard}`)
  assert.ok(low < 0.2, `low ${low}`)
  assert.ok(server.delayMs < 5 * targetMs, `delay ${server.delayMs}`)
})

test('shares out what is left where everything is critical', () => {
  const server = new SimulatedServer(1_000)
  server.runMany(50, [3_000, 0, 0])
  const [critical = 0] = server.runMany(200, [3_000, 0, 0])
  assert.ok(critical > 0.2 && critical < 0.45, `critical ${critical}`)
})

test('lets everything in again within a few windows when the load is gone', () => {
  const server = new SimulatedServer(1_000)
  server.runMany(50, [400, 400, 8_000])
  server.runMany(40, [100, 100, 100])
  assert.deepEqual(server.runMany(10, [100, 100, 100]), [1, 1, 1])
})

test('does not shed the highest priority for a flood that is shed already', () => {
  const level = new AdmissionLevel()
  for (let at = 0; at < 100; at++) {
    for (let request = 0; request < 1_000; request++) level.admit(request % 50 === 0 ? 0 : 2)
    // Shedding itself is all that the server has time for.
    level.endWindow(100, targetMs)
  }
  assert.deepEqual([level.shareOf(0), level.shareOf(2)], [1, 0])
})

test('does not shed the highest priority because the machine is slow', () => {
  const level = new AdmissionLevel()
  for (let at = 0; at < 100; at++) {
    for (let request = 0; request < 20; request++) level.admit(request % 3)
    level.endWindow(100, targetMs, false)
  }
  assert.deepEqual([level.shareOf(0), level.shareOf(1), level.shareOf(2)], [1, 0, 0])
})

test('rises also where nothing arrives', () => {
  const level = new AdmissionLevel()
  for (let at = 0; at < 100; at++) level.endWindow(1_000, targetMs)
  assert.equal(level.shareOf(2), 0)
  for (let at = 0; at < 20; at++) level.endWindow(0, targetMs)
  assert.deepEqual(
    loadPriorities.map((_, priority) => level.shareOf(priority)),
    [1, 1, 1],
  )
})
