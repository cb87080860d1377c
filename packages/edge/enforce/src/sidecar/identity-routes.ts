import { parseJson, parseUtf8 } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import { buildBundle } from '@quantum-ip/trust'
import { Type } from 'typebox'
import { EnforceError } from '../enforce-errors.ts'
import type { WorkloadParts } from './workload-api.ts'
import { identitySchema } from './workload-schemas.ts'

/** `GET /v1/identity` and `GET /v1/bundle`: who this service is, and the keys of its trust domain. */
export function addIdentityRoutes(app: App, parts: WorkloadParts): void {
  app.get(
    '/v1/identity',
    {
      config: { access: 'open' },
      schema: {
        description: 'Who this service is, and which builds it was admitted with.',
        response: { 200: identitySchema },
      },
    },
    () => {
      const { admission } = parts.session
      return {
        service: admission.sid,
        trustDomain: parts.trustDomain,
        point: parts.point,
        builds: admission.builds.map(({ digest, evidence, attestation }) => ({
          digest,
          evidence,
          attestation: attestation === undefined ? null : { log: attestation[0], index: attestation[1] },
        })),
        expires: admission.expiresS,
      }
    },
  )
  app.get(
    '/v1/bundle',
    {
      config: { access: 'open' },
      schema: {
        description:
          'The keys of the trust domain as this sidecar holds them: a JWK Set in the form of SPIFFE bundles.',
        response: { 200: Type.Object({ keys: Type.Array(Type.Unknown()) }, { additionalProperties: true }) },
      },
    },
    () => {
      const { bundle } = parts.trust
      if (bundle === undefined) throw new EnforceError('QIP_ENFORCE_TRUST_MISSING', {})
      return parseJson(parseUtf8(buildBundle(bundle))) as { keys: unknown[] }
    },
  )
}
