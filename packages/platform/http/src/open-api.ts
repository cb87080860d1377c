import swagger from '@fastify/swagger'
import type { FastifySchema, RouteOptions } from 'fastify'
import { describeAccess } from './guard.ts'
import { problemSchema, problemType } from './problem.ts'
import { type Access, isAccess } from './roles.ts'
import type { App, Server } from './server.ts'

/** A document of OpenAPI 3.1. */
export interface OpenApiDocument {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components?: Readonly<Record<string, unknown>>
}

/** One method of one path. */
export interface OpenApiOperation {
  readonly description?: string
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly responses: Record<string, unknown>
}

// As plain JSON: the document is data, and TypeBox's own marks are no part of it.
const Problem = JSON.parse(JSON.stringify(problemSchema)) as object

const problemResponse = {
  description: 'a problem (RFC 9457)',
  content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } },
}

const securitySchemes = {
  operator: { type: 'http', scheme: 'bearer', description: 'an operator credential, `qipo1.…`' },
  session: { type: 'http', scheme: 'bearer', description: 'the session of an admitted workload' },
} as const

/** Prepares the OpenAPI document; call it before the first route. */
export async function addOpenApi(app: App, info: { title: string; version: string }): Promise<void> {
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info, components: { securitySchemes, schemas: { Problem } } },
    transform: ({ schema, url, route }) => ({
      schema: documented(schema as FastifySchema | undefined, route),
      url,
    }),
  })
}

/**
 * The OpenAPI 3.1 document of all routes: the same schemas that requests are checked against, who may call, and
 * problem JSON as the reply to everything that fails. The server must be ready (`listen` or `app.ready()`).
 */
export function openApiDocument(server: Pick<Server, 'app'>): OpenApiDocument {
  const document = structuredClone(server.app.swagger()) as unknown as OpenApiDocument
  for (const operations of Object.values(document.paths)) {
    for (const operation of Object.values(operations)) operation.responses['default'] = problemResponse
  }
  return document
}

function documented(schema: FastifySchema | undefined, route: RouteOptions): FastifySchema {
  const access = route.config?.access
  const known = isAccess(access) ? access : 'admin'
  return {
    ...schema,
    description: [schema?.description, `Access: ${describeAccess(known)}.`].filter(Boolean).join('\n\n'),
    security: securityOf(known),
  }
}

function securityOf(access: Access): { [scheme: string]: string[] }[] {
  switch (access) {
    case 'open':
      return []
    case 'session':
      return [{ session: [] }]
    case 'member':
      return [{ session: [] }, { operator: [] }]
    case 'viewer':
    case 'operator':
    case 'key-custodian':
    case 'admin':
      return [{ operator: [] }]
  }
}
