// Writes decisions to the local log in the folder of its argument until it is killed, and says how many are on the disk.
import { systemClock, systemRandom } from '@quantum-ip/base'
import { DecisionLog, LocalLog } from '../../src/index.ts'
import { inputOf } from '../samples.ts'

const folder = process.argv[2] ?? ''
const log = await LocalLog.open({
  folder,
  point: 'edge-1',
  clock: systemClock,
  random: systemRandom,
  sizeMax: 1e9,
  segmentBytesMax: 1e8,
  segmentMs: 3_600_000,
  limits: { sizeMax: 1e9, keepMs: 3_600_000 },
})
const base = { point: 'edge-1', clock: systemClock, random: systemRandom, sampleRatio: 0 }
const decisions = new DecisionLog({ ...base, sink: log, perReasonMax: 1e9 })
for (;;) {
  for (let n = 0; n < 250; n++) decisions.record(inputOf('token_absent'))
  await log.flush()
  process.stdout.write(`${log.status().written}\n`)
}
