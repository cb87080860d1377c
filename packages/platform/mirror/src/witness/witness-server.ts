import { isQipError } from '@quantum-ip/base'
import {
  type App,
  type Bound,
  type Listener,
  openKeyword,
  openServer,
  type Server,
  type ServerObserver,
} from '@quantum-ip/http'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { MirrorError } from '../mirror-errors.ts'
import { submissionBytesMax } from './submission.ts'
import type { Witness } from './witness.ts'

/** How a witness is served. */
export interface WitnessServerOptions {
  readonly witness: Witness
  readonly listeners: readonly Listener[]
  readonly observer?: ServerObserver
}

/** A witness that listens. */
export interface WitnessServer {
  readonly bound: readonly Bound[]
  close(): Promise<void>
}

const text = 'text/plain; charset=utf-8'

/**
 * Serves a witness: `POST /add-checkpoint` and `GET /{SHA-256 of the origin}/checkpoint` (c2sp.org/tlog-witness). Open to all: what
 * counts is the log's signature on what is submitted.
 *
 * @throws {HttpError} if an address cannot be listened on
 */
export async function serveWitness({
  witness,
  listeners,
  observer,
}: WitnessServerOptions): Promise<WitnessServer> {
  const server: Server = await openServer({
    title: 'Quantum IP witness',
    version: '1',
    ...(observer !== undefined && { observer }),
  })
  await server.app.register((scope: App, _options, done) => {
    addWitnessRoutes(scope, witness)
    done()
  })
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

function addWitnessRoutes(app: App, witness: Witness): void {
  // The specification names no media type for what is submitted; clients send what they like.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post(
    '/add-checkpoint',
    {
      config: { access: 'open' },
      bodyLimit: submissionBytesMax,
      schema: { body: { [openKeyword]: 'parsed by parseSubmission' } },
    },
    async (request, reply) => {
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
      try {
        return await reply.type(text).send(await witness.addCheckpoint(body))
      } catch (error) {
        return refuse(reply, error)
      }
    },
  )
  app.get(
    '/:hash/checkpoint',
    {
      config: { access: 'open' },
      schema: {
        params: Type.Object(
          { hash: Type.String({ pattern: '^[0-9a-f]{64}$' }) },
          { additionalProperties: false },
        ),
      },
    },
    async (request, reply) => {
      const note = await witness.latest(request.params.hash)
      if (note === undefined)
        return reply.code(404).type(text).send('no checkpoint of this log was cosigned here\n')
      return reply.type(text).header('cache-control', 'no-cache').send(note)
    },
  )
}

const statuses: Partial<Record<string, number>> = {
  QIP_MIRROR_SUBMISSION_MALFORMED: 400,
  QIP_LOG_NOTE_MALFORMED: 400,
  QIP_LOG_CHECKPOINT_MALFORMED: 400,
  QIP_MIRROR_CHECKPOINT_UNSIGNED: 403,
  QIP_MIRROR_LOG_UNKNOWN: 404,
  QIP_MIRROR_FORK: 422,
}

/** The statuses of c2sp.org/tlog-witness; for 409 the size as the whole body. */
function refuse(reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof MirrorError && isQipError(error, 'QIP_MIRROR_SIZE_CONFLICT')) {
    const { size } = error.details as { size: number }
    return reply.code(409).type('text/x.tlog.size').send(`${size}\n`)
  }
  const status = isQipError(error) ? statuses[error.code] : undefined
  if (status === undefined || !isQipError(error)) throw error
  return reply.code(status).type(text).send(`${error.message}\n`)
}
