import { DrillFailure, type Drill } from '../drill.ts'
import { names } from '../lab.ts'

const callers = 40
const canaryPercent = 20

const policy = (version: number, mode: string, rules: string): string => `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: default, version: ${version} }
spec:
  mode: ${mode}
  rules: ${rules}
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`
const good = (version: number): string => policy(version, 'enforce', '[]')
// Nobody's build is attested here: whoever wrote it had another trust domain in mind.
const wrong = policy(
  2,
  `'canary: ${canaryPercent}%'`,
  '[{ name: attested-only, when: \'verdict.status == "verified" && (build == null || build.slsaLevel < 3)\', action: reject }]',
)

/** F6: a policy that would refuse everybody is tried out on some, found out and taken back. */
export const wrongPolicy: Drill = {
  name: 'wrong-policy',
  mode: 'F6',
  title: 'a wrong policy in canary, and its rollback',
  needs: [],
  async run(run, lab) {
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority, { policy: good(1) })
    const sessions = await Promise.all(
      Array.from({ length: callers }, (_, at) => lab.admit(authority, `${names.checkout}-${at + 1}`)),
    )
    const refusedOf = async (): Promise<number> => {
      const answers = await Promise.all(
        sessions.map(async (session) => lab.call(gateway.url, await lab.fields(session))),
      )
      return answers.filter(({ status }) => status !== 200).length
    }
    await run.works(`all ${callers} callers pass under version 1`, async () => (await refusedOf()) === 0)
    let refused = 0
    await run.fault(
      `version 2 goes out as canary of ${canaryPercent} %: it wants attested builds, which nobody here has`,
      async () => {
        await gateway.writePolicy(wrong)
        await gateway.restart()
      },
    )
    await run.detected(
      'verified callers whom version 2 refuses or would refuse, in the decisions',
      async () => {
        refused = await refusedOf()
        const own = (await gateway.decisions()).filter(({ status, policy: by }) => {
          return status === 'verified' && (by as { version?: number }).version === 2
        })
        return own.length >= callers && own.every(({ wouldBe }) => wouldBe === 'reject')
      },
    )
    if (refused === 0 || refused > callers / 2) {
      throw new DrillFailure(`the canary carried it out for ${refused} of ${callers} callers`)
    }
    run.step(`it is carried out for ${refused} of ${callers} callers, and only recorded for the others`)
    await run.remedy('rollback: what version 1 said, as version 3', async () => {
      await gateway.writePolicy(good(3))
      await gateway.restart()
    })
    await run.recovered('all callers pass', async () => (await refusedOf()) === 0)
  },
}
