import type { Requester } from '@quantum-ip/client'
import type { Config } from '@quantum-ip/http'
import { readNewestAttestation } from './newest-attestation.ts'
import { formatSpan } from '../lib/times.ts'
import type { Asking } from './ask.ts'
import type { ChecklistRow } from './row.ts'

const freshMs = 7 * 86_400_000

/** Whether pipelines sign: builders are registered, and the newest attestation is of these days. */
export async function attestationRows(
  asking: Asking,
  requester: Requester,
  nowMs: number,
): Promise<readonly ChecklistRow[]> {
  const keys = await asking.list('/v1/keys', 'keys')
  const builders = new Set(
    keys
      .filter((key) => key.text('use') === 'qip-build' && key.text('state') === 'active')
      .map((key) => key.optionalText('name') ?? ''),
  )
  const known: ChecklistRow =
    builders.size > 0
      ? { name: 'builders-registered', outcome: 'ok', seen: [...builders].join(', ') }
      : {
          name: 'builders-registered',
          outcome: 'fail',
          seen: 'no builder has a key: nothing can be attested',
          next: '`qip keys register <builder> <files>`, and `qip attest` in the pipeline',
        }
  return [known, newestRow(await readNewestAttestation(requester), nowMs)]
}

function newestRow(
  newest: { readonly timeMs: number; readonly count: number } | undefined,
  nowMs: number,
): ChecklistRow {
  const name = 'attestations-fresh'
  const next = 'does `qip attest` run in each release pipeline, and does its failure stop the release?'
  const runbook = 'docs/runbooks/attestation-freshness.md'
  if (newest === undefined)
    return { name, outcome: 'fail', seen: 'the log has no attestation', next, runbook }
  const ageMs = Math.max(0, nowMs - newest.timeMs)
  const seen = `${newest.count} in the log, the newest ${formatSpan(ageMs)} old`
  return ageMs > freshMs ? { name, outcome: 'warn', seen, next, runbook } : { name, outcome: 'ok', seen }
}

/** Whether enforced services admit unattested builds. */
export function demandRows(config: Config | undefined): readonly ChecklistRow[] {
  const name = 'attestation-required'
  if (config === undefined)
    return [
      { name, outcome: 'open', seen: 'no configuration here', next: '--config <file> of the authority' },
    ]
  const lax = config.admission.requireAttestation.filter(({ demand }) => demand !== 'on')
  if (lax.length === 0) return [{ name, outcome: 'ok', seen: 'every workload needs an attested build' }]
  return [
    {
      name,
      outcome: 'warn',
      seen: lax.map(({ service, demand }) => `\`${service}\`: ${demand}`).join(', '),
      next: '`admission.requireAttestation: on` before these services are enforced',
    },
  ]
}
