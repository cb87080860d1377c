import type { Verifier } from '@quantum-ip/verifier'
import type { Registry } from '../ledger/registry.ts'
import type { AttestationPlace, AttestationState } from './report-desk.ts'

/**
 * Looks at an attestation anew: the registry says which build it is of, and a verifier over what we publish whether it holds, by
 * the same rules as everywhere else.
 */
export async function recheckAttestation(
  { log, index }: AttestationPlace,
  parts: { readonly registry: Registry; readonly verifier: Pick<Verifier, 'recheckAttestation'> },
): Promise<AttestationState> {
  const build = await parts.registry.buildAt(log, index)
  if (build === undefined) return { state: 'absent' }
  switch (await parts.verifier.recheckAttestation({ origin: log, index })) {
    case 'passed':
      return { state: 'holds' }
    case 'failed':
      return { state: 'fails', build }
    case 'unavailable':
      return { state: 'unavailable' }
  }
}
