import { DrillImpossible, type Drill } from '../drill.ts'
import { runProcess } from '../processes.ts'
import { findProgram } from '../programs.ts'

/** The authority cannot write any more. The limit of the kernel on its files stands for a disk without room: every write fails. */
export const diskFull: Drill = {
  name: 'disk-full',
  title: 'the authority can write nothing (a limit on its files stands for the full disk)',
  needs: ['prlimit'],
  async run(run, lab) {
    const prlimit = findProgram('prlimit')
    if (prlimit === undefined) throw new DrillImpossible('prlimit is not installed')
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    const pid = String(authority.process?.pid ?? 0)
    // The soft limit alone: without being root it can be raised again.
    const limit = (size: string) => runProcess(prlimit, ['--pid', pid, `--fsize=${size}:`])
    const passes = async (fields: Readonly<Record<string, string>>): Promise<boolean> =>
      (await lab.call(gateway.url, fields)).status === 200
    const held = await lab.fields(checkout)
    await run.works('tokens are issued and verified', () => passes(held))
    await run.fault('every write of the authority fails', () => limit('1'))
    await run.detected('the authority refuses to issue: 503, the store is unavailable', async () => {
      return lab.fields(checkout).then(
        () => false,
        (error: unknown) => /unavailable/.test(String(error)),
      )
    })
    await run.detected(
      'no state is signed any more: quantum_ip_trust_snapshot_age_seconds > 7 at the gateway',
      async () => {
        return (await gateway.metric('trust_snapshot_age_seconds')) > 7
      },
    )
    await run.works('what is held is verified', () => passes(held))
    await run.remedy('there is room again', () => limit('unlimited'))
    await run.recovered('tokens are issued and verified, without a restart', async () =>
      passes(await lab.fields(checkout)),
    )
    const asked = ['--trust-authority', '--authority', `unix:${authority.socket}`]
    const { logs } = await lab.qip(['ledger', 'info', ...asked])
    for (const { origin } of logs as readonly { readonly origin: string }[]) {
      const name = origin.slice(origin.indexOf('/') + 1)
      if (name.startsWith('tokens/')) await lab.qip(['ledger', 'verify', name, ...asked])
    }
    run.step('every log of tokens is whole')
  },
}
