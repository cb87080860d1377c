import { allocateReplayMemory, ReplayFilter } from '../src/index.ts'
import { testReplayGuard } from './replay-contract.ts'

testReplayGuard({
  name: 'the filter in memory',
  skip: false,
  async open({ retryWindowMs }) {
    const beganMs = Date.now()
    const memory = allocateReplayMemory({ bytes: 4 * 1_048_576, startedMs: beganMs })
    return { guard: new ReplayFilter(memory, { retryWindowMs }), beganMs, close: async () => {} }
  },
})
