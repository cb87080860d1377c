import { base64, type JsonObject, trustDomainName } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import type { SealedRecord } from '../records/issuance-records.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

/** Sealed records of what was issued, for the key custodian, and where closed logs ended. Who asks for a record is recorded. */
export function addSealedRecordRoutes(app: App, { authority }: RouteContext): void {
  app.get(
    '/v1/issuance-records/:log/:index',
    {
      config: requireRole('key-custodian'),
      schema: {
        params: closed({
          log: Type.String({ pattern: '^[1-9]\\d{0,8}$', description: 'the number of the token log' }),
          index: Type.String({ pattern: '^\\d{1,15}$' }),
        }),
      },
    },
    async (request) => {
      const origin = `${trustDomainName(authority.trustDomain)}/tokens/${request.params.log}`
      const index = Number(request.params.index)
      const found = await authority.records?.find(origin, index)
      if (found === undefined)
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `record of entry ${index} of ${origin}` })
      await authority.acts.record(actorOf(request), 'read-issuance-record', { log: origin, index })
      return { log: origin, index, first: found.first, count: found.count, ...sealedJson(found) }
    },
  )

  app.get(
    '/v1/admission-records/:session',
    {
      config: requireRole('key-custodian'),
      schema: { params: closed({ session: Type.String({ minLength: 1, maxLength: 64 }) }) },
    },
    async (request) => {
      const { session } = request.params
      const found = await authority.records?.findAdmission(session)
      if (found === undefined)
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', {
          what: 'record of the admission of this session',
        })
      await authority.acts.record(actorOf(request), 'read-admission-record', { session })
      return { session, ...sealedJson(found) }
    },
  )

  app.get('/v1/log-ends', { config: { access: 'open' } }, async () => ({
    ends: (await authority.logEnds.list()).map(({ origin, size, root, note, frozenMs, prunedMs }) => ({
      origin,
      size,
      root: base64(root),
      note,
      frozenMs,
      prunedMs: prunedMs ?? null,
    })),
  }))
}

function sealedJson({ kid, sealed, timeMs }: SealedRecord): JsonObject {
  return { kid, timeMs, sealed: base64(sealed) }
}
