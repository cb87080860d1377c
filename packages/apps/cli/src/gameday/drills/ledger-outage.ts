import { join } from 'node:path'
import { builder, openPipeline } from '../attest-build.ts'
import type { Drill } from '../drill.ts'
import { type Lab, names } from '../lab.ts'
import type { LabAuthority } from '../lab-authority.ts'
import { freePort, qipCall, startProcess } from '../processes.ts'

/** F5: registry and ledger are away, and a token names a build that a gateway has not looked up yet. */
export const ledgerOutage: Drill = {
  name: 'ledger-outage',
  mode: 'F5',
  title: 'registry and ledger are away; a mirror stands in for them',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority({
      config: {
        admission: {
          requireAttestation: 'on',
          rules: [{ service: `${names.td}/ns/drill/sa/*`, builder }],
        },
      },
    })
    const build = await openPipeline(lab, authority).then((attest) => attest('a build of the drill'))
    const mirror = await startMirror(lab, authority)
    const alone = await lab.startGateway(authority, { name: 'alone' })
    const mirrored = await lab.startGateway(authority, {
      name: 'mirrored',
      config: { trust: { mirrors: [mirror] } },
    })
    const checkout = await lab.admit(authority, names.checkout, [build])
    // Neither gateway has seen a token of this build: its attestation is looked up on the first request.
    const fields = await lab.fields(checkout)
    const root = await rootOf(authority)
    await run.fault('the authority, with registry and ledger, is killed', () => authority.kill())
    await run.detected('`attestation_unavailable` where there is no mirror', async () => {
      return (await lab.call(alone.url, fields)).reason === 'attestation_unavailable'
    })
    await run.works(
      'by the mirror the attestation is found and checked: the same request passes',
      async () => {
        const { status, text } = await lab.call(mirrored.url, fields)
        return status === 200 && text.includes('reason=ok,')
      },
    )
    await run.works('`qip verify` by the mirror: the build is proven to be logged', async () => {
      const { ok } = await lab.qip(['verify', `sha256:${build}`, '--authority', mirror, ...root])
      return ok === true
    })
    await run.remedy('the authority is started', () => authority.start())
    await run.recovered('the request passes at the gateway without a mirror, too', async () => {
      return (await lab.call(alone.url, fields)).status === 200
    })
  },
}

/** @returns where it serves */
async function startMirror(lab: Lab, authority: LabAuthority): Promise<string> {
  const port = await freePort()
  const place = ['--folder', join(lab.folder, 'mirror'), '--listen', `127.0.0.1:${port}`]
  const asked = ['--authority', `unix:${authority.socket}`, ...(await rootOf(authority))]
  const process = await startProcess({
    ...qipCall(['ledger', 'mirror', ...asked, ...place, '--json']),
    isReady: ({ written }) => written().includes('"url":'),
  })
  lab.defer(() => process.kill())
  return `http://127.0.0.1:${port}`
}

async function rootOf(authority: LabAuthority): Promise<readonly string[]> {
  const pins = (await authority.rootThumbprints()) as readonly string[]
  return pins.flatMap((pin) => ['--root', pin])
}
