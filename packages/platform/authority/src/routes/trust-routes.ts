import { parseHex } from '@quantum-ip/base'
import type { App, Broadcaster, FeedEvent } from '@quantum-ip/http'
import { buildHead, buildRevocation } from '@quantum-ip/trust'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import { readHistory } from '../state/history.ts'
import type { Publication } from '../state/publisher.ts'
import { findStaple } from '../state/staples.ts'
import { sessionOf, type TrustPart } from './route-context.ts'
import { closed } from './schemas.ts'

const envelopeType = 'application/vnd.dsse+json'

/** The event of the feed that carries a publication. */
export function feedEvent({ seq, state, bundle, revocations }: Publication): {
  readonly id: string
  readonly event: string
  readonly data: string
} {
  const data = JSON.stringify({
    state,
    ...(bundle !== undefined && { bundle }),
    revocations: revocations.map((record) => buildRevocation(record)),
  })
  return { id: String(seq), event: 'state', data }
}

/** The feed, and what it tells besides states to those who begin to follow. */
export interface Feeding {
  readonly feed: Broadcaster
  readonly greeting: () => readonly FeedEvent[]
}

/** Trust distribution: discovery, root document, bundle, state, heads, history and feed. */
export function addTrustRoutes(
  app: App,
  { authority }: { readonly authority: TrustPart },
  feeding: Feeding,
): void {
  const { publisher } = authority
  const open = { config: { access: 'open' as const } }

  app.get('/.well-known/quantum-ip', open, () => ({
    trustDomain: authority.trustDomain,
    apiVersion: 'v1',
    root: '/v1/root',
    bundle: '/v1/bundle',
    state: '/v1/state',
    feed: '/v1/feed',
    history: '/v1/history',
    tokens: '/v1/tokens',
    rootThumbprints: authority.root.roots.map(({ kid }) => kid),
    rootThreshold: authority.root.threshold,
  }))

  app.get(
    '/v1/root',
    { ...open, schema: { querystring: closed({ sequence: Type.Optional(Type.Integer({ minimum: 1 })) }) } },
    async (request, reply) => {
      const { sequence } = request.query
      if (sequence === undefined) return sendEnvelope(reply, authority.rootText)
      const [row] = await authority.store.sql.query(
        "SELECT envelope FROM documents WHERE kind = 'root' AND sequence = ?",
        [sequence],
      )
      if (row === undefined)
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `root document ${sequence}` })
      return sendEnvelope(reply, row['envelope'] as string)
    },
  )
  app.get('/v1/bundle', open, (_request, reply) => sendEnvelope(reply, publisher.bundleText))
  app.get('/v1/state', open, (_request, reply) => sendEnvelope(reply, publisher.current.state))

  app.get(
    '/v1/heads/:key/:range',
    {
      ...open,
      schema: {
        params: closed({
          key: Type.String({ pattern: '^[0-9a-f]{8}$' }),
          range: Type.String({ pattern: '^\\d{1,15}-\\d{1,15}$' }),
        }),
      },
    },
    async (request) => {
      const { key, range } = request.params
      const [start = 0, end = 0] = range.split('-').map(Number)
      const staple = await findStaple(authority, { keyId: keyIdOf(key), start, end })
      if (staple === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'head' })
      return { staple }
    },
  )
  addFollowerRoutes(app, authority, feeding)
}

/** What members follow: the history to start from, and the feed. */
function addFollowerRoutes(app: App, authority: TrustPart, { feed, greeting }: Feeding): void {
  const { publisher } = authority
  app.get(
    '/v1/history',
    {
      config: { access: 'member' },
      schema: {
        querystring: closed({ lifetime: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600 })) }),
      },
    },
    async (request) => {
      const history = await readHistory(
        { sql: authority.store.sql, publisher, revocations: authority.revocations },
        (request.query.lifetime ?? 3_600) * 1_000,
      )
      return {
        ...history,
        heads: history.heads.map((head) => buildHead(head)),
        revocations: history.revocations.map((record) => buildRevocation(record)),
      }
    },
  )

  app.get('/v1/feed', { config: { access: 'member', longLived: true } }, (request, reply) => {
    // Operators may follow too; they have no session to be cut by.
    const owner = ownerOf(request)
    feed.attach(request, reply, {
      greeting: [feedEvent({ ...publisher.current, bundle: undefined, revocations: [] }), ...greeting()],
      ...owner,
    })
  })
}

function ownerOf(request: Parameters<typeof sessionOf>[0]): { readonly owner: string } | undefined {
  try {
    return { owner: sessionOf(request).id }
  } catch {
    return undefined
  }
}

function keyIdOf(key: string): number {
  const bytes = parseHex(key)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

function sendEnvelope(reply: FastifyReply, text: string): FastifyReply {
  return reply.type(envelopeType).header('cache-control', 'no-cache').send(text)
}
