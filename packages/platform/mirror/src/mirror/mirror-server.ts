import { timingSafeEqual } from 'node:crypto'
import { isQipError, trustDomainName, utf8 } from '@quantum-ip/base'
import { headSource } from '@quantum-ip/client'
import { sha256 } from '@quantum-ip/crypto'
import { type App, type Bound, type Listener, openServer, type ServerObserver } from '@quantum-ip/http'
import { readLogPart } from '@quantum-ip/log'
import { buildHead, buildRevocation } from '@quantum-ip/trust'
import type { FastifyReply } from 'fastify'
import { type TObject, type TProperties, Type } from 'typebox'
import { MirrorError } from '../mirror-errors.ts'
import { HeadRelay } from './head-relay.ts'
import { type HeldLog, isDamage } from './log-mirror.ts'
import type { Mirror } from './mirror.ts'

/** How a mirror is served. */
export interface MirrorServerOptions {
  readonly mirror: Mirror
  readonly listeners: readonly Listener[]
  /** Bearer tokens of who may read attestations and revocations. Absent: everybody who can reach it may. */
  readonly readers?: readonly string[] | undefined
  readonly observer?: ServerObserver
}

/** A mirror that listens. */
export interface MirrorServer {
  readonly bound: readonly Bound[]
  close(): Promise<void>
}

const envelopeType = 'application/vnd.dsse+json'
const immutable = 'public, max-age=31536000, immutable'

/**
 * Serves what a mirror holds under the paths of the authority: trust documents, history, heads, attestations, and the C2SP read API of
 * every log. It answers 503 for what it does not hold: that says nothing about whether it exists.
 *
 * @throws {HttpError} if an address cannot be listened on
 */
export async function serveMirror(options: MirrorServerOptions): Promise<MirrorServer> {
  const { mirror, listeners, readers, observer } = options
  const known = readers?.map((token) => sha256(utf8(token)))
  const server = await openServer({
    title: 'Quantum IP mirror',
    version: '1',
    authenticateMember: (authorization) =>
      isReader(authorization, known) ? { id: 'reader', verifier: true } : undefined,
    ready: () => [{ name: 'state', ok: mirror.history.state !== undefined }],
    ...(observer !== undefined && { observer }),
  })
  const access = readers === undefined ? 'open' : 'member'
  addTrustRoutes(server.app, mirror, access)
  addAttestationRoutes(server.app, mirror, access)
  addLogRoutes(server.app, mirror)
  const bound = await server.listen(listeners).catch(async (error: unknown) => {
    await server.close()
    throw error
  })
  return {
    bound,
    async close() {
      await server.close()
    },
  }
}

function isReader(authorization: string, known: readonly Uint8Array[] | undefined): boolean {
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  if (token === undefined || known === undefined) return false
  const digest = sha256(utf8(token))
  return known.some((each) => timingSafeEqual(each, digest))
}

function addTrustRoutes(app: App, mirror: Mirror, access: 'open' | 'member'): void {
  const { history, trust } = mirror
  const open = { config: { access: 'open' as const } }
  app.get('/.well-known/quantum-ip', open, () => ({
    trustDomain: trust.td,
    apiVersion: 'v1',
    mirror: true,
    root: '/v1/root',
    bundle: '/v1/bundle',
    state: '/v1/state',
    history: '/v1/history',
    rootThumbprints: trust.root?.roots.map(({ kid }) => kid) ?? [],
    rootThreshold: trust.root?.threshold ?? 1,
  }))
  const rootQuery = closed({ sequence: Type.Optional(Type.Integer({ minimum: 1 })) })
  app.get('/v1/root', { ...open, schema: { querystring: rootQuery } }, (request, reply) => {
    const { sequence } = request.query
    const newest = Math.max(0, ...history.roots.keys())
    const envelope = history.roots.get(sequence ?? newest)
    // Sequences leave numbers out: between the first and the newest one, what is not here does not exist.
    if (envelope === undefined && sequence !== undefined && sequence < newest) {
      void reply.code(404)
      throw new MirrorError('QIP_MIRROR_NOT_FOUND', { what: `root document ${sequence}` })
    }
    return sendEnvelope(reply, envelope, 'the root document')
  })
  app.get('/v1/bundle', open, (_request, reply) => sendEnvelope(reply, history.bundle, 'the bundle'))
  app.get('/v1/state', open, (_request, reply) => sendEnvelope(reply, history.state, 'the state'))
  const query = closed({ lifetime: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600 })) })
  app.get('/v1/history', { config: { access }, schema: { querystring: query } }, (request) => {
    const served = history.serve((request.query.lifetime ?? 3_600) * 1_000)
    if (served === undefined) throw notHeld('the history')
    const { heads, revocations, ...rest } = served
    return {
      ...rest,
      heads: heads.map((head) => buildHead(head)),
      revocations: revocations.map((record) => buildRevocation(record)),
    }
  })
  addHeadRoute(app, mirror)
}

/** Single heads are relayed: nothing of the authority's answer is trusted by whoever asks, so nothing is checked here. */
function addHeadRoute(app: App, { requester, trust, clock }: Mirror): void {
  const source = headSource(requester)
  const relay = new HeadRelay({
    ask: (place) => source.fetchHead({ td: trust.td, origin: '', ...place }),
    clock,
  })
  const params = closed({
    key: Type.String({ pattern: '^[0-9a-f]{8}$' }),
    range: Type.String({ pattern: '^\\d{1,15}-\\d{1,15}$' }),
  })
  app.get('/v1/heads/:key/:range', { config: { access: 'open' }, schema: { params } }, async (request) => {
    const { key, range } = request.params
    const [start = 0, end = 0] = range.split('-').map(Number)
    const staple = await relay.find({ keyId: Number.parseInt(key, 16), start, end })
    if (staple === undefined) throw notHeld('this head')
    return { staple }
  })
}

function addAttestationRoutes(app: App, mirror: Mirror, access: 'open' | 'member'): void {
  const params = closed({
    log: Type.String({ pattern: '^\\d{1,9}$' }),
    index: Type.String({ pattern: '^\\d{1,15}$' }),
  })
  app.get('/v1/attestations/:log/:index', { config: { access }, schema: { params } }, async (request) => {
    const origin = `${trustDomainName(mirror.trust.td)}/attestations/${Number(request.params.log)}`
    const held = mirror.logs.get(origin)?.held
    const found = held && (await mirror.attestations.find(held, Number(request.params.index)))
    if (found === undefined) throw notHeld('this attestation')
    return found
  })
  const querystring = closed({ build: Type.String({ pattern: '^[0-9a-f]{64}$' }) })
  app.get('/v1/attestations', { config: { access }, schema: { querystring } }, async (request) => {
    const places = mirror.attestations.places(request.query.build).slice(0, 64)
    const found = places.map(async ({ origin, index }) => {
      const held = mirror.logs.get(origin)?.held
      return held && mirror.attestations.find(held, index)
    })
    return { attestations: (await Promise.all(found)).filter((each) => each !== undefined) }
  })
}

function addLogRoutes(app: App, mirror: Mirror): void {
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
      const held = mirror.logs.get(`${trustDomainName(mirror.trust.td)}/${kind}/${number}`)?.held
      if (held === undefined) throw notHeld('this log')
      if (path === 'checkpoint')
        return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(held.note)
      const bytes = await readPart(held, path, reply).catch((error: unknown) => {
        if (!isDamage(error)) throw error
        void mirror.repair(held.log.origin)
        throw notHeld('this part of the log, undamaged,')
      })
      return reply.type('application/octet-stream').header('cache-control', immutable).send(bytes)
    },
  )
}

/** A tile or bundle, checked against the checkpoint that is held: a damaged file is an error, never an answer. */
async function readPart({ log }: HeldLog, path: string, reply: FastifyReply): Promise<Uint8Array> {
  try {
    return await readLogPart(log, path)
  } catch (error) {
    if (!isQipError(error, 'QIP_LOG_OUT_OF_RANGE')) throw error
    void reply.code(404)
    throw new MirrorError('QIP_MIRROR_NOT_FOUND', { what: 'tile of this log here yet' }, { cause: error })
  }
}

function sendEnvelope(reply: FastifyReply, text: string | undefined, what: string): FastifyReply {
  if (text === undefined) throw notHeld(what)
  return reply.type(envelopeType).header('cache-control', 'no-cache').send(text)
}

function notHeld(what: string): MirrorError {
  return new MirrorError('QIP_MIRROR_NOT_HELD', { what })
}

function closed<Properties extends TProperties>(properties: Properties): TObject<Properties> {
  return Type.Object(properties, { additionalProperties: false })
}
