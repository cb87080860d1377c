import { isQipError, trustDomainName } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import { readLogPart } from '@quantum-ip/log'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import type { LogReader } from '../ledger/log-reader.ts'
import { addSealedRecordRoutes } from './record-routes.ts'
import type { RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const immutable = 'public, max-age=31536000, immutable'
const checkpointType = 'text/plain; charset=utf-8'

/** C2SP's read API (c2sp.org/tlog-tiles) of every log: `/logs/tokens/<n>/…` and `/logs/attestations/<n>/…`. */
export function addLedgerRoutes(app: App, context: RouteContext): void {
  addSealedRecordRoutes(app, context)
  const reader = context.authority.logs
  const params = closed({
    kind: Type.Union([Type.Literal('tokens'), Type.Literal('attestations')]),
    number: Type.String({ pattern: '^[1-9]\\d{0,8}$' }),
    '*': Type.String({ maxLength: 256 }),
  })
  app.get(
    '/logs/:kind/:number/*',
    { config: { access: 'open' }, schema: { params } },
    async (request, reply) => {
      const { kind, number, '*': path } = request.params
      const origin = `${trustDomainName(context.authority.trustDomain)}/${kind}/${number}`
      const end = await context.authority.logEnds.find(origin)
      if (path === 'checkpoint') {
        const note = end === undefined || end.note === '' ? await reader.checkpoint(origin) : end.note
        return reply.type(checkpointType).header('cache-control', 'no-cache').send(note)
      }
      if (end?.prunedMs !== undefined)
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', {
          what: 'entry any more: the log was pruned, and it',
        })
      const bytes = await readPart(reader, origin, path)
      return reply.type('application/octet-stream').header('cache-control', immutable).send(bytes)
    },
  )
}

async function readPart(reader: LogReader, origin: string, path: string): Promise<Uint8Array> {
  const log = await reader.log(origin)
  try {
    return await readLogPart(log, path)
  } catch (error) {
    if (!isQipError(error, 'QIP_LOG_OUT_OF_RANGE')) throw error
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'tile of this log yet' }, { cause: error })
  }
}
