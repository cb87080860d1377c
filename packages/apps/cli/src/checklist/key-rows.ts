import type { Config } from '@quantum-ip/http'
import { formatSpan } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const ahead = ['qip-token', 'qip-feed'] as const

/** Whether each use has a key that signs and one that is published ahead, and all of them survive a quantum computer. */
export async function keyRows(asking: Asking): Promise<readonly ChecklistRow[]> {
  const keys = (await asking.list('/v1/keys', 'keys')).map((key) => ({
    use: key.text('use'),
    state: key.text('state'),
    alg: key.text('alg'),
  }))
  const lacking = ahead.filter(
    (use) =>
      !['active', 'published'].every((state) => keys.some((key) => key.use === use && key.state === state)),
  )
  const inForce = keys.filter(({ state }) => state === 'active' || state === 'published')
  const usesOf = (isPostQuantum: boolean): Set<string> =>
    new Set(inForce.filter(({ alg }) => alg.startsWith('ML-DSA') === isPostQuantum).map(({ use }) => use))
  const classical = [...usesOf(false)].filter((use) => use !== 'qip-kem' && !usesOf(true).has(use))
  return [
    lacking.length === 0
      ? {
          name: 'keys-ready',
          outcome: 'ok',
          seen: `an active key and one published ahead of ${ahead.join(', ')}`,
        }
      : {
          name: 'keys-ready',
          outcome: 'fail',
          seen: `no key is published ahead (or none is active) of ${lacking.join(', ')}`,
          next: `\`qip keys list\`, then \`qip keys create --use ${lacking[0] ?? ''}\``,
          runbook: 'docs/runbooks/rotation-failure.md',
        },
    classical.length === 0
      ? { name: 'keys-post-quantum', outcome: 'ok', seen: 'every use has an ML-DSA key' }
      : {
          name: 'keys-post-quantum',
          outcome: 'fail',
          seen: `only classical keys of ${classical.join(', ')}`,
          next: 'register an ML-DSA key of each: `qip keys register`',
        },
  ]
}

/** Where private keys lie, as far as the configuration here says it. */
export function custodyRows(config: Config | undefined): readonly ChecklistRow[] {
  const name = 'key-custody'
  if (config === undefined)
    return [
      { name, outcome: 'open', seen: 'no configuration here', next: '--config <file> of the authority' },
    ]
  const { service, passphrase } = config.custody
  if (service !== undefined)
    return [
      { name, outcome: 'ok', seen: `bundle and log keys in ${service.kind}; all others sealed in files` },
    ]
  if (passphrase === undefined)
    return [
      {
        name,
        outcome: 'warn',
        seen: 'all keys in files, sealed under a passphrase that lies beside them: who reads the disk has them',
        next: '`custody.awsKms`, `googleKms` or `vault`; or a passphrase from elsewhere (`custody.passphrase`): docs/guides/custody.md',
      },
    ]
  return [
    {
      name,
      outcome: 'warn',
      seen: 'all keys in files, sealed under a passphrase of yours',
      next: 'a key service for bundle and log keys: docs/guides/custody.md',
    },
  ]
}

const uses = ['qip-token', 'qip-jwt', 'qip-feed', 'qip-log'] as const

/** Whether keys rotate by themselves, and how the last rotations ended. */
export async function rotationRows(asking: Asking, nowMs: number): Promise<readonly ChecklistRow[]> {
  const rotations = (await asking.list('/v1/rotations?limit=1000', 'rotations')).map((rotation) => ({
    number: rotation.integer('number'),
    use: rotation.text('use'),
    outcome: rotation.optionalText('outcome'),
    phase: rotation.text('phase'),
    isHeld: rotation.has('heldMs'),
    startedMs: rotation.integer('startedMs'),
  }))
  const name = 'rotation-works'
  if (rotations.length === 0)
    return [
      {
        name,
        outcome: 'warn',
        seen: 'no key was ever rotated: it is not known whether the fleet follows',
        next: '`qip keys rotate --use qip-token`: nobody is refused by it',
      },
    ]
  return uses.flatMap((use): readonly ChecklistRow[] => {
    const [newest] = rotations.filter((each) => each.use === use).toSorted((a, b) => b.number - a.number)
    if (newest === undefined) return []
    const when = `${formatSpan(Math.max(0, nowMs - newest.startedMs))} ago`
    const what = `rotation ${newest.number} of ${use}, ${when}`
    const runbook = 'docs/runbooks/rotation-failure.md'
    const next = '`qip keys rotations` says who is waited for, or why it ended'
    if (newest.isHeld && newest.phase === 'waiting')
      return [{ name, outcome: 'fail', seen: `${what} is held: a member does not follow`, next, runbook }]
    if (newest.phase !== 'ended') return [{ name, outcome: 'ok', seen: `${what}: ${newest.phase}` }]
    if (newest.outcome === 'completed') return [{ name, outcome: 'ok', seen: `${what}: completed` }]
    return [{ name, outcome: 'warn', seen: `${what}: ${newest.outcome ?? 'ended'}`, next, runbook }]
  })
}

/** How often keys change by themselves. */
export function scheduleRows(config: Config | undefined): readonly ChecklistRow[] {
  const name = 'rotation-scheduled'
  if (config === undefined)
    return [
      { name, outcome: 'open', seen: 'no configuration here', next: '--config <file> of the authority' },
    ]
  const each = uses.map((use) => `${use} every ${formatSpan(config.keys.rotation.scheduleMs[use])}`)
  return [{ name, outcome: 'ok', seen: each.join(', ') }]
}
