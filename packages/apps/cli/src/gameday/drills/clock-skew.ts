import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DrillImpossible, type Drill } from '../drill.ts'
import { runProcess } from '../processes.ts'
import { findProgram } from '../programs.ts'

/** A gateway whose clock steps by ten minutes while it runs: a hypervisor that was paused, an NTP server that lies. */
export const clockSkew: Drill = {
  name: 'clock-skew',
  title: 'the clock of a gateway steps by ±10 minutes',
  needs: ['faketime'],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const file = join(lab.folder, 'clock')
    await writeFile(file, '+0')
    const env = {
      LD_PRELOAD: await preloadOf(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
    const skewed = await lab.startGateway(authority, { env })
    const sound = await lab.startGateway(authority, { name: 'sound' })
    const checkout = await lab.admit(authority)
    const passes = async (url: string): Promise<boolean> =>
      (await lab.call(url, await lab.fields(checkout))).status === 200
    await run.works('both gateways verify', async () => (await passes(skewed.url)) && passes(sound.url))
    for (const [step, sign] of [
      ['+10m', 1],
      ['-10m', -1],
    ] as const) {
      await run.fault(`the clock of one gateway steps by ${step}`, () => writeFile(file, step))
      await run.detected(
        `quantum_ip_clock_offset_seconds is ${step}, and its refusals name a reason`,
        async () => {
          const { reason } = await lab.call(skewed.url, await lab.fields(checkout))
          const offset = await skewed.metric('clock_offset_seconds')
          return reason !== '' && Math.sign(offset) === sign && Math.abs(offset) > 500
        },
      )
      run.step(`it refuses with \`${(await lab.call(skewed.url, await lab.fields(checkout))).reason}\``)
      await run.works('the other gateway goes on', () => passes(sound.url))
      await run.remedy('the clock is set right', () => writeFile(file, '+0'))
      await run.recovered('it verifies again, without a restart', () => passes(skewed.url))
    }
  },
}

/** What the dynamic linker is told to load, as `faketime` itself says it. @throws {DrillImpossible} */
async function preloadOf(): Promise<string> {
  const command = findProgram('faketime')
  if (command === undefined) throw new DrillImpossible('faketime is not installed')
  return (await runProcess(command, ['-m', '-f', '+0', 'printenv', 'LD_PRELOAD'])).trim()
}
