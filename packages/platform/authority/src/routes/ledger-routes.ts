import { limits, trustDomainName } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import { noteKeyTypes } from '@quantum-ip/crypto'
import { type Log, openLog, parseTilePath, signCheckpoint, formatEntryBundle } from '@quantum-ip/log'
import Type from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import { sqlLogStorage } from '../store/sqlite-log-storage.ts'
import type { RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const immutable = 'public, max-age=31536000, immutable'
const checkpointType = 'text/plain; charset=utf-8'
const openLogsMax = 64

/** C2SP's read API (c2sp.org/tlog-tiles) of every log: `/logs/tokens/<n>/…` and `/logs/attestations/<n>/…`. */
export function addLedgerRoutes(app: App, context: RouteContext): void {
  const reader = new LogReader(context)
  const params = closed({
    kind: Type.Union([Type.Literal('tokens'), Type.Literal('attestations')]),
    number: Type.String({ pattern: '^[1-9]\\d{0,8}$' }),
    '*': Type.String({ maxLength: 256 }),
  })
  app.get('/logs/:kind/:number/*', { config: { access: 'open' }, schema: { params } }, async (request, reply) => {
    const { kind, number, '*': path } = request.params
    const origin = `${trustDomainName(context.authority.trustDomain)}/${kind}/${number}`
    if (path === 'checkpoint') {
      return reply.type(checkpointType).header('cache-control', 'no-cache').send(await reader.checkpoint(origin))
    }
    const bytes = await reader.read(origin, path)
    return reply.type('application/octet-stream').header('cache-control', immutable).send(bytes)
  })
}

/** Reads logs: the open ones as they are written, others from the store. */
class LogReader {
  readonly #context: RouteContext
  readonly #closed = new Map<string, Promise<Log>>()

  constructor(context: RouteContext) {
    this.#context = context
  }

  async checkpoint(origin: string): Promise<string> {
    const { authority } = this.#context
    if (origin === authority.registry.origin) return (await authority.registry.ledger.checkpoint()).note
    const log = await this.#log(origin)
    const held = authority.keys.list().find(({ record }) => record.log === origin)
    if (held?.record.name === undefined) throw unknownLog(origin)
    const { size, root } = log.head()
    // Served views only name sizes whose mark is durable: a checkpoint must not outlive a lost commit.
    await authority.store.highWater.raise({ origin, size, hash: root })
    const signer = await authority.keys.signer(held.record.key.kid)
    return signCheckpoint({ origin, size, root }, [
      { name: held.record.name, type: noteKeyTypes.mlDsa44, signer, timestampS: Math.floor(authority.clock.now() / 1_000) },
    ])
  }

  async read(origin: string, path: string): Promise<Uint8Array> {
    const log = await this.#log(origin)
    const tile = parseTilePath(path)
    if (!('level' in tile)) {
      const start = tile.index * 256
      return formatEntryBundle(await log.entries(start, start + tile.width))
    }
    return log.tile(tile.level, tile.index, tile.width)
  }

  #log(origin: string): Promise<Log> {
    const { authority } = this.#context
    if (origin === authority.registry.origin) return Promise.resolve(authority.registry.ledger.log)
    if (origin === authority.issuer.log.origin) return Promise.resolve(authority.issuer.log.log)
    if (!authority.keys.list().some(({ record }) => record.log === origin)) throw unknownLog(origin)
    const known = this.#closed.get(origin)
    if (known !== undefined) return known
    if (this.#closed.size >= openLogsMax) this.#closed.clear()
    const opened = openLog({ storage: sqlLogStorage(authority.store.sql, origin), origin, cachedTilesMax: 16 })
    this.#closed.set(origin, opened)
    opened.catch(() => this.#closed.delete(origin))
    return opened
  }
}

function unknownLog(origin: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `log \`${origin.slice(0, limits.serviceIdBytesMax)}\`` })
}
