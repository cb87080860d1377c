import { isQipError, limits, trustDomainName } from '@quantum-ip/base'
import type { App } from '@quantum-ip/http'
import { noteKeyTypes } from '@quantum-ip/crypto'
import {
  type Log,
  type LogHead,
  openLog,
  parseTilePath,
  signCheckpoint,
  formatEntryBundle,
} from '@quantum-ip/log'
import { Type } from 'typebox'
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
  app.get(
    '/logs/:kind/:number/*',
    { config: { access: 'open' }, schema: { params } },
    async (request, reply) => {
      const { kind, number, '*': path } = request.params
      const origin = `${trustDomainName(context.authority.trustDomain)}/${kind}/${number}`
      if (path === 'checkpoint') {
        return reply
          .type(checkpointType)
          .header('cache-control', 'no-cache')
          .send(await reader.checkpoint(origin))
      }
      const bytes = await reader.read(origin, path)
      return reply.type('application/octet-stream').header('cache-control', immutable).send(bytes)
    },
  )
}

/** Reads logs: the open ones as they are written, others from the store. */
class LogReader {
  readonly #context: RouteContext
  readonly #closed = new Map<string, Promise<Log>>()
  readonly #notes = new Map<string, { readonly size: number; readonly note: string }>()

  constructor(context: RouteContext) {
    this.#context = context
  }

  async checkpoint(origin: string): Promise<string> {
    const { authority } = this.#context
    if (origin === authority.registry.origin) return (await authority.registry.ledger.checkpoint()).note
    const log = await this.#log(origin)
    const held = authority.keys.list().find(({ record }) => record.log === origin)
    if (held?.record.name === undefined) throw unknownLog(origin)
    const { size, root } = this.#shownTree(log)
    const known = this.#notes.get(origin)
    if (known?.size === size) return known.note
    const signer = await authority.keys.signer(held.record.key.kid)
    const note = await signCheckpoint({ origin, size, root }, [
      {
        name: held.record.name,
        type: noteKeyTypes.mlDsa44,
        signer,
        timestampS: Math.floor(authority.clock.now() / 1_000),
      },
    ])
    if (this.#notes.size >= openLogsMax) this.#notes.clear()
    this.#notes.set(origin, { size, note })
    return note
  }

  /**
   * The tree that may be shown: of a log that is open its mark, for a checkpoint must not outlive a lost commit; of one that is
   * closed for ever all of it. One that lost its end to a restored backup has none: it would go back.
   */
  #shownTree(log: Log): LogHead {
    const mark = this.#context.authority.store.highWater.mark(log.origin)
    const head = log.head()
    if (mark === undefined) return head
    if (mark.size <= head.size) return { size: mark.size, root: mark.hash }
    const what = `checkpoint: the last entries of \`${log.origin}\` are not in this store, and it`
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what })
  }

  async read(origin: string, path: string): Promise<Uint8Array> {
    const log = await this.#log(origin)
    const tile = parseTilePath(path)
    try {
      if ('level' in tile) return await log.tile(tile.level, tile.index, tile.width)
      const start = tile.index * 256
      return formatEntryBundle(await log.entries(start, start + tile.width))
    } catch (error) {
      if (!isQipError(error, 'QIP_LOG_OUT_OF_RANGE')) throw error
      throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'tile of this log yet' }, { cause: error })
    }
  }

  #log(origin: string): Promise<Log> {
    const { authority } = this.#context
    if (origin === authority.registry.origin) return Promise.resolve(authority.registry.ledger.log)
    if (origin === authority.issuer.log.origin) return Promise.resolve(authority.issuer.log.log)
    if (!authority.keys.list().some(({ record }) => record.log === origin)) throw unknownLog(origin)
    return this.#readLog(origin)
  }

  async #readLog(origin: string): Promise<Log> {
    const { authority } = this.#context
    const known = await this.#closed.get(origin)
    // One that was opened while its last batch was being written is behind its mark.
    if (known !== undefined && known.head().size >= (authority.store.highWater.mark(origin)?.size ?? 0))
      return known
    if (this.#closed.size >= openLogsMax) this.#closed.clear()
    const opened = openLog({
      storage: sqlLogStorage(authority.store.sql, origin),
      origin,
      cachedTilesMax: 16,
    })
    this.#closed.set(origin, opened)
    opened.catch(() => this.#closed.delete(origin))
    return opened
  }
}

function unknownLog(origin: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_NOT_FOUND', {
    what: `log \`${origin.slice(0, limits.serviceIdBytesMax)}\``,
  })
}
