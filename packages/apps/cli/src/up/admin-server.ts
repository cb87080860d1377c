import { type Json, type JsonObject } from '@quantum-ip/base'
import { openServer, requireRole, type Server } from '@quantum-ip/http'
import type { CompiledPolicy, PolicyIdentity } from '@quantum-ip/policy'
import type { DecisionRecord, MetricsPage, RecentDecision } from '@quantum-ip/telemetry'
import { Type } from 'typebox'
import { CliError } from '../cli-errors.ts'
import { explainFacts, unexplained } from '../lib/explain-facts.ts'
import { readyChecks } from './ready-checks.ts'

/** What the operators' socket of an enforcement point answers from. */
export interface AdminServerOptions {
  /** The Unix socket: whoever may open it is an operator. */
  readonly path: string
  readonly find: (id: string) => Promise<RecentDecision | undefined>
  readonly newest: (count: number) => Promise<readonly RecentDecision[]>
  /** Decisions that relied on a head which is in no log. */
  readonly unlogged: () => Promise<readonly DecisionRecord[]>
  /** The policy version that decided, if it is still held. */
  readonly policy: (identity: PolicyIdentity) => Promise<CompiledPolicy | undefined>
  readonly status: () => Promise<JsonObject>
  readonly metrics: (accept: string | undefined) => MetricsPage
  /** What was counted of the service levels. */
  readonly levels: () => JsonObject
}

/**
 * Opens the operators' socket of an enforcement point: its recent decisions with what explains them, its state and its metrics. It
 * answers from memory, also while the authority is away.
 */
export async function openAdminServer(options: AdminServerOptions): Promise<Server> {
  const { find, newest, unlogged, policy, status, metrics, levels } = options
  const server = await openServer({
    title: 'Quantum IP enforcement point',
    version: '1',
    ready: async () => readyChecks(await status()),
  })
  const viewer = requireRole('viewer')
  server.app.get(
    '/v1/decisions/:id',
    {
      config: viewer,
      schema: {
        params: Type.Object({ id: Type.String({ maxLength: 128 }) }, { additionalProperties: false }),
      },
    },
    async (request) => {
      const found = await find(request.params.id)
      if (found === undefined) throw new CliError('QIP_CLI_NOT_FOUND', { what: 'decision' })
      return explained(found, await policy(found.record.policy))
    },
  )
  server.app.get('/v1/decisions', { config: viewer }, async () => ({
    decisions: (await newest(100)).map(({ record }) => record as unknown as Json),
  }))
  server.app.get('/v1/unlogged-decisions', { config: viewer }, async () => ({
    decisions: (await unlogged()).map((record) => record as unknown as Json),
  }))
  server.app.get('/v1/slo', { config: viewer }, () => levels())
  server.app.get('/v1/status', { config: viewer }, () => status())
  server.app.get('/metrics', { config: viewer }, (request, reply) => {
    const { mediaType, text } = metrics(request.headers.accept)
    return reply.type(mediaType).send(text)
  })
  await server.listen([{ path: options.path }])
  return server
}

function explained({ record, facts }: RecentDecision, policy: CompiledPolicy | undefined): JsonObject {
  const why = policy === undefined ? unexplained : explainFacts(policy, facts)
  return { record: record as unknown as Json, facts: facts as unknown as Json, ...why }
}
