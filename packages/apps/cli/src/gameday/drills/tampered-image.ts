import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { builder, evidenceFile, openPipeline } from '../attest-build.ts'
import { type Drill, DrillFailure } from '../drill.ts'
import type { DrillRun } from '../drill-run.ts'
import { type Lab, names } from '../lab.ts'
import type { LabAuthority } from '../lab-authority.ts'

/** What `qip investigate --json` answers, as far as the drill looks at it. */
interface Found {
  readonly outcome: string
  readonly conclusion: string
  readonly timeToConfirmMs: number
  readonly findings: readonly { readonly code: string; readonly text: string }[]
  readonly decisions: { readonly total: number }
  readonly refusedSince: { readonly groups: readonly { readonly reason: string }[] }
  readonly timeline: readonly { readonly chapter: string; readonly standing: string }[]
}

/** The requirement's third scenario: an image was tampered with, and runs under the name of a good one. */
export const tamperedImage: Drill = {
  name: 'tampered-image',
  title: 'a tampered image runs under the name of a good one',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority({
      config: {
        admission: {
          // As where attestation is being brought in: what has none is admitted, and its tokens say so.
          requireAttestation: 'warn',
          rules: [
            { service: `${names.td}/ns/drill/sa/*`, builder, source: 'git+https://git.gameday.example/*' },
          ],
        },
      },
    })
    const gateway = await lab.startGateway(authority)
    const attest = await openPipeline(lab, authority)
    const good = await attest('the shop, as it was built')
    const evidence = join(lab.folder, evidenceFile)
    const image = join(lab.folder, 'shop.img')
    await writeFile(image, 'the shop, as it was built')
    await use(lab, authority, gateway.url, { build: good, times: 3 })
    const investigate = investigator(lab, authority)
    await run.works('`qip investigate`: nothing contradicts the image that was built', async () => {
      const { outcome, decisions } = await investigate(good)
      return outcome === 'clean' && decisions.total > 0
    })
    const bad = digestOf('the shop, and something else')
    await run.fault('the image is replaced in the registry, and deployed under the same name', async () => {
      await writeFile(image, 'the shop, and something else')
      await use(lab, authority, gateway.url, { build: bad, times: 3 })
    })
    let found: Found | undefined
    await run.detected('`qip investigate <image> --evidence <its evidence>`: digest differs', async () => {
      found = await investigate(image, '--evidence', evidence)
      return (
        found.outcome === 'contradicted' &&
        found.findings.some(({ text }) => text.includes('digest differs')) &&
        found.decisions.total > 0
      )
    })
    tell(run, found)
    await forgeries(run, { lab, investigate, attest, evidence, good })
    await revoke(run, { lab, authority, bad, investigate, url: gateway.url })
    await run.recovered('the image that was built still passes', () =>
      use(lab, authority, gateway.url, { build: good, times: 1 }),
    )
  },
}

type Investigate = (subject: string, ...more: readonly string[]) => Promise<Found>

function investigator(lab: Lab, authority: LabAuthority): Investigate {
  return async (subject, ...more) => {
    const asked = ['--authority', `unix:${authority.socket}`]
    const answer = await lab.qip(['investigate', subject, ...more, ...asked], { codes: [0, 1] })
    return answer as unknown as Found
  }
}

/** An envelope that was altered, and a builder's stolen key: both are attestations, and neither speaks for its build. */
async function forgeries(
  run: DrillRun,
  {
    lab,
    investigate,
    attest,
    evidence,
    good,
  }: {
    readonly lab: Lab
    readonly investigate: Investigate
    readonly attest: Awaited<ReturnType<typeof openPipeline>>
    readonly evidence: string
    readonly good: string
  },
): Promise<void> {
  await run.works('an evidence file whose envelope was altered is found', async () => {
    const file = JSON.parse(await readFile(evidence, 'utf8')) as { dsse: { payload: string } }
    const payload = Buffer.from(file.dsse.payload, 'base64')
      .toString()
      .replace('refs/heads/main', 'refs/heads/evil')
    const altered = join(lab.folder, 'altered.json')
    const dsse = { ...file.dsse, payload: Buffer.from(payload).toString('base64') }
    await writeFile(altered, JSON.stringify({ ...file, dsse }))
    const { findings } = await investigate(good, '--evidence', altered)
    return findings.some(({ code }) => code === 'attestation_fails')
  })
  await run.works(
    "a build that somebody else signed with the builder's keys is found by its source",
    async () => {
      const forged = await attest('signed with stolen keys', 'git+https://git.thief.example/drill')
      const { findings } = await investigate(forged, '--as', names.checkout)
      return findings.some(({ code }) => code === 'not_admitted')
    },
  )
}

async function revoke(
  run: DrillRun,
  {
    lab,
    authority,
    bad,
    investigate,
    url,
  }: {
    readonly lab: Lab
    readonly authority: LabAuthority
    readonly bad: string
    readonly investigate: Investigate
    readonly url: string
  },
): Promise<void> {
  const session = await lab.admit(authority, names.checkout, [bad])
  const held = await lab.fields(session)
  await run.remedy('`qip revoke build`: what it runs as is refused from now on', () =>
    lab.qip([
      'revoke',
      'build',
      `sha256:${bad}`,
      '--reason',
      'tampered image',
      '--authority',
      `unix:${authority.socket}`,
    ]),
  )
  await run.recovered('its requests are refused with `build_revoked`', async () => {
    return (await lab.call(url, held)).reason === 'build_revoked'
  })
  let found: Found | undefined
  await run.recovered(
    '`qip investigate` shows the revocation, proven, and what was refused since',
    async () => {
      found = await investigate(bad)
      const isProven = found.timeline.some(
        ({ chapter, standing }) => chapter === 'revocation' && standing === 'proven',
      )
      return isProven && found.refusedSince.groups.some(({ reason }) => reason === 'build_revoked')
    },
  )
  tell(run, found)
}

function tell(run: DrillRun, found: Found | undefined): void {
  if (found === undefined) throw new DrillFailure('nothing was found')
  run.step(`concluded in ${found.timeToConfirmMs} ms: ${found.conclusion}`)
}

/** Sends requests of a build. @returns whether all passed */
async function use(
  lab: Lab,
  authority: LabAuthority,
  url: string,
  { build, times }: { readonly build: string; readonly times: number },
): Promise<boolean> {
  const session = await lab.admit(authority, names.checkout, [build])
  const answers = []
  for (let at = 0; at < times; at++) answers.push(await lab.call(url, await lab.fields(session)))
  return answers.every(({ status }) => status === 200)
}

function digestOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}
