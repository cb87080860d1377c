// The body of cases that every enforcement point runs, against a Lambda handler that hands on what it lets through. What makes events of requests
// stands in for API Gateway and the load balancer, which can be had nowhere but in AWS.
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { runCases } from '../../enforce/test/support/cases.ts'
import { casePolicies, caseRoutes, type CaseWorld } from '../../enforce/test/support/case-world.ts'
import { createServerlessPoint } from '../src/index.ts'
import { type Verified, verifiedLambda } from '../src/lambda.ts'
import { eventOf } from './events.ts'

function policyOf(name: string) {
  const policy = casePolicies.get(name)
  if (policy === undefined) throw new Error(`no policy ${name}`)
  return policy
}

interface Event {
  readonly headers?: Readonly<Record<string, string>>
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly httpMethod?: string
  readonly requestContext: { readonly http?: { readonly method: string } }
  readonly body: string
  readonly isBase64Encoded: boolean
}

interface Answer {
  readonly statusCode: number
  readonly headers?: Readonly<Record<string, string>>
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly body: string
}

/** What the application does: it asks the service behind it. */
async function handOn(event: Verified<Event>, target: string, url: string): Promise<Answer> {
  const all = Object.entries(event.multiValueHeaders ?? event.headers ?? {})
  const headers = all.flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]))
  const method = event.httpMethod ?? event.requestContext.http?.method
  const sent = httpRequest(new URL(url), { method, path: target, headers })
  sent.end(Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8'))
  const [answer] = await once(sent, 'response')
  return { statusCode: answer.statusCode, headers: {}, body: (await buffer(answer)).toString() }
}

for (const kind of ['http', 'rest', 'alb-multi', 'alb'] as const) {
  runCases(
    `Lambda, events of kind ${kind} from a stand-in: the shared body of cases`,
    async (world: CaseWorld) => {
      const { verifier, decisions, service, jail } = world
      const handlers = new Map(
        caseRoutes.map(({ path, policy }) => {
          const point = createServerlessPoint({
            service: world.domain.shop,
            verifier,
            decisions,
            clock: { now: () => world.domain.clock.now() },
            policy: policyOf(policy),
            quarantine: 'mark',
          })
          const handler = verifiedLambda<Event, { target: string }, Answer>(point, {
            handler: (event, { target }) =>
              handOn(event, target, event.quantumIp.action === 'quarantine' ? jail.url : service.url),
          })
          return [path, handler]
        }),
      )
      const server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
        const { method = 'GET', url: target = '/', rawHeaders: fields } = request
        const handler = handlers.get(`/${target.split(/[/?]/)[1]}`) ?? handlers.get('/')
        const answered = async (body: Buffer): Promise<void> => {
          const event = eventOf(kind, { method, target, fields, body }) as Event
          const answer = await handler?.(event, { target })
          response.writeHead(answer?.statusCode ?? 502, {
            ...answer?.headers,
            ...(answer?.multiValueHeaders as object),
          })
          response.end(answer?.body)
        }
        buffer(request)
          .then(answered)
          .catch(() => response.destroy())
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return {
        port: (server.address() as { port: number }).port,
        unverifiableStatus: 503,
        without: {
          'an exempt path passes without a token, and nothing beside it':
            'what is exempt is what the application puts before the wrapper',
          grpc: 'events carry no gRPC',
          webSocket: 'events of WebSocket APIs are no requests with a token; they are refused',
          ...(kind === 'alb' && {
            'two tokens are refused, also two equal ones':
              'a load balancer shows the last of several values, unless multi-value headers are on',
          }),
        },
        async [Symbol.asyncDispose]() {
          server.closeAllConnections()
          server.close()
          await once(server, 'close')
        },
      }
    },
  )
}
