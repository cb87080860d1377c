import type { Registry } from '../ledger/registry.ts'
import type { LocalVerifier } from '../local-verifier.ts'
import type { AttestationPlace, AttestationState } from './report-desk.ts'

/**
 * Looks at an attestation anew: the registry says which build it is of, and a verifier over what we publish whether it holds, by
 * the same rules as everywhere else. One that is behind our own keys proves nothing: a checkpoint by a key that it does not know yet
 * would condemn a good build.
 */
export async function recheckAttestation(
  { log, index }: AttestationPlace,
  parts: {
    readonly registry: Pick<Registry, 'buildAt'>
    readonly local: Pick<LocalVerifier, 'isCurrent'> & {
      readonly verifier: Pick<LocalVerifier['verifier'], 'recheckAttestation'>
    }
  },
): Promise<AttestationState> {
  const build = await parts.registry.buildAt(log, index)
  if (build === undefined) return { state: 'absent' }
  const { local } = parts
  const wasCurrent = local.isCurrent()
  switch (await local.verifier.recheckAttestation({ origin: log, index })) {
    case 'passed':
      return { state: 'holds' }
    case 'failed':
      return wasCurrent && local.isCurrent() ? { state: 'fails', build } : { state: 'unavailable' }
    case 'unavailable':
      return { state: 'unavailable' }
  }
}
