import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DrillFailure, type Drill } from '../drill.ts'

interface Fate {
  readonly origin: string
  readonly fate: string
  readonly next: string | null
}

/** The disk of the authority is lost, and a backup that is older than what was signed is put back. */
export const restoredBackup: Drill = {
  name: 'restored-backup',
  title: 'the database is lost, and an older backup restored',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    const passes = async (fields: Readonly<Record<string, string>>): Promise<boolean> =>
      (await lab.call(gateway.url, fields)).status === 200
    const before = await lab.fields(checkout)
    await run.works('requests are verified', () => passes(before))
    const file = join(lab.folder, 'authority.qipbackup')
    const config = ['--config', authority.configFile]
    await lab.qip(['backup', file, ...config])
    const since = await lab.fields(checkout)
    await run.works('a token issued after the backup passes', () => passes(since))
    // A head that no state has listed when the disk is lost is unknown afterwards, and its tokens are refused.
    await run.until('the signed state does not list the head of that token', async () => {
      return (await gateway.status())['provisionalHeads'] === 0
    })
    await run.fault('the data directory is lost; high-water marks and keys are not', async () => {
      await authority.kill()
      await rm(join(authority.folder, 'data'), { recursive: true })
    })
    await run.detected('the authority does not answer: members lose the feed', async () => {
      const { mode } = await gateway.status()
      return mode !== 'feed'
    })
    await run.works('what is held goes on: both tokens are verified', async () => {
      return (await passes(before)) && passes(since)
    })
    let fates: readonly Fate[] = []
    await run.remedy('`qip backup verify`, `qip restore`, start', async () => {
      await lab.qip(['backup', 'verify', file])
      const { fates: told } = await lab.qip(['restore', file, ...config])
      fates = told as readonly Fate[]
      await authority.start()
    })
    const tokens = fates.find(({ origin }) => origin.includes('/tokens/'))
    if (tokens?.fate !== 'closes' || tokens.next === null) {
      throw new DrillFailure('the restore does not notice that tokens were signed after the backup')
    }
    run.step(`as \`qip restore\` said: ${tokens.origin} is closed, ${tokens.next} goes on`)
    const next = tokens.next
    await run.recovered('a workload is admitted again, and its tokens pass; so do the old ones', async () => {
      const again = await lab.fields(await lab.admit(authority))
      const asked = ['--trust-authority', '--authority', `unix:${authority.socket}`]
      const { logs } = await lab.qip(['ledger', 'info', ...asked])
      const isOpen = (logs as readonly { origin: string; size: number }[]).some(
        ({ origin, size }) => origin === next && size > 1,
      )
      const { mode } = await gateway.status()
      return mode === 'feed' && isOpen && (await passes(again)) && (await passes(before)) && passes(since)
    })
  },
}
