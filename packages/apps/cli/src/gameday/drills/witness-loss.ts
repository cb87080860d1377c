import { join } from 'node:path'
import { openPipeline } from '../attest-build.ts'
import type { Drill } from '../drill.ts'
import type { LabAuthority } from '../lab-authority.ts'
import { freePort, qipCall, type RunningProcess, startProcess } from '../processes.ts'

const name = 'witness.gameday.example/1'

/** The witness that cosigns the logs is away. */
export const witnessLoss: Drill = {
  name: 'witness-loss',
  title: 'the witness of the logs is away',
  needs: [],
  async run(run, lab) {
    const place = { folder: join(lab.folder, 'witness'), port: await freePort() }
    const { vkeys } = await lab.qip(['ledger', 'witness', 'vkey', '--folder', place.folder, '--name', name])
    const [{ vkey } = { vkey: '' }] = vkeys as readonly { readonly vkey: string }[]
    const authority = await lab.startAuthority({
      config: {
        ledger: {
          interval: '500ms',
          quorum: 1,
          witnesses: [{ name: 'one', vkey, url: `http://127.0.0.1:${place.port}` }],
        },
      },
    })
    let witness = await startWitness(authority, place)
    lab.defer(() => witness.kill())
    const gateway = await lab.startGateway(authority)
    const checkout = await lab.admit(authority)
    const attest = await openPipeline(lab, authority)
    // The first ones may come before the witness knows the log: the same attestation again gets its evidence.
    await run.works(
      'what is attested is shown, cosigned by the witness',
      async () => {
        await attest('a build of before')
        return (await sizeOf(authority)) >= 2 && isCosigned(authority)
      },
      { withinMs: 30_000 },
    )
    const before = await sizeOf(authority)
    const told = (): number => authority.process?.written().split('witness_unavailable').length ?? 0
    // It was told of already, before the witness was started for the first time.
    const toldBefore = told()
    await run.fault('the witness is killed', () => witness.kill())
    // The authority tells of it when there is something to cosign.
    const attesting = attest('a build of meanwhile').catch(() => undefined)
    await run.detected('the authority tells `witness_unavailable`', () => told() > toldBefore)
    await run.works('tokens are issued and verified', async () => {
      return (await lab.call(gateway.url, await lab.fields(checkout))).status === 200
    })
    await run.works('what was cosigned before is shown, and nothing else', async () => {
      return (await sizeOf(authority)) === before && isCosigned(authority)
    })
    await run.remedy('the witness is started', async () => {
      witness = await startWitness(authority, place)
    })
    await run.recovered('what was attested meanwhile is shown, cosigned', async () => {
      return (await sizeOf(authority)) > before && isCosigned(authority)
    })
    await attesting
  },
}

function startWitness(
  authority: LabAuthority,
  { folder, port }: { readonly folder: string; readonly port: number },
): Promise<RunningProcess> {
  const asked = ['--trust-authority', '--authority', `unix:${authority.socket}`]
  const place = ['--folder', folder, '--name', name, '--listen', `127.0.0.1:${port}`]
  return startProcess({
    ...qipCall(['ledger', 'witness', ...place, ...asked, '--json']),
    isReady: ({ written }) => written().includes('"url":'),
  })
}

async function checkpointOf({ url }: LabAuthority): Promise<string> {
  return (await fetch(`${url}/logs/attestations/1/checkpoint`)).text()
}

async function sizeOf(authority: LabAuthority): Promise<number> {
  return Number((await checkpointOf(authority)).split('\n')[1])
}

async function isCosigned(authority: LabAuthority): Promise<boolean> {
  return (await checkpointOf(authority)).includes(`— ${name} `)
}
