// The body of cases that every enforcement point runs, against a gRPC server with the interceptor.
import assert from 'node:assert/strict'
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import type { CasePoint } from '../../enforce/test/support/case-reasons.ts'
import type { CaseWorld } from '../../enforce/test/support/case-world.ts'
import { runCases } from '../../enforce/test/support/cases.ts'
import type { Asked, AskOptions } from '../../enforce/test/support/scene.ts'
import { grpcServerInterceptor, quantumIpOf } from '../src/grpc.ts'
import { casePoint } from './support/handing-on.ts'

const path = '/shop.Cart/Add'
const asIs = (bytes: Buffer): Buffer => bytes

async function openServer(world: CaseWorld): Promise<{ server: Server; port: number }> {
  const server = new Server({ interceptors: [grpcServerInterceptor(casePoint(world, 'enforced'))] })
  const add = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const
  server.addService(
    { add },
    {
      async add(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
        // What is behind the point counts who reaches it.
        await fetch(world.service.url)
        assert.ok(quantumIpOf(call).identity !== undefined)
        const saw = new Metadata()
        saw.set('x-saw-status', String(call.metadata.get('quantum-ip-status')))
        saw.set('x-saw-token', String(call.metadata.get('quantum-ip')))
        call.sendMetadata(saw)
        answer(null, call.request)
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { server, port }
}

const httpStatus: ReadonlyMap<number, number> = new Map([
  [status.UNAUTHENTICATED, 401],
  [status.PERMISSION_DENIED, 403],
  [status.UNAVAILABLE, 503],
])

const fieldOf = (saw: Metadata) => (name: string) =>
  name === 'quantum-ip-status' ? String(saw.get('x-saw-status')) : undefined

function ask(client: Client, { token, fields = [] }: AskOptions): Promise<Asked> {
  const metadata = new Metadata()
  for (let i = 0; i < fields.length; i += 2) metadata.add(fields[i] as string, fields[i + 1] as string)
  if (token !== undefined) metadata.add('quantum-ip', token)
  return new Promise((resolve) => {
    const saw = new Metadata()
    const answered = (error: ServiceError | null): void => {
      const headers = Object.fromEntries(Object.entries(error?.metadata.getMap() ?? {}))
      const shown = error === null ? 200 : (httpStatus.get(error.code) ?? error.code)
      resolve({ status: shown, headers, body: error?.details ?? '', field: fieldOf(saw) } as unknown as Asked)
    }
    const call = client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), metadata, answered)
    call.on('metadata', (shown: Metadata) => saw.merge(shown))
  })
}

/** What is about methods, paths and fields of HTTP: the interceptor shares it with the other adapters, and gRPC has none of it. */
const ofHttp = Object.fromEntries(
  [
    'what was found reaches the service, and the token goes no further',
    'a status that the caller writes itself, in any spelling, is not what the service sees',
    'a caller has nothing of what was found taken off by naming it as a field of its connection',
    'two tokens are refused, also two equal ones',
    'a token over every limit reaches nobody',
    'monitor lets through what it would have refused, and says so',
    'the policy refuses a caller that holds',
    'a quarantined request goes elsewhere, marked',
    'an exempt path passes without a token, and nothing beside it',
    'what the caller says about another request is not believed',
    'a body that streams arrives whole',
    'the decision is about the method, too',
    'webSocket',
  ].map((name) => [name, 'it is about HTTP; grpc.test.ts has what there is of it in gRPC']),
)

runCases('gRPC: the shared body of cases', async (world): Promise<CasePoint & AsyncDisposable> => {
  const { server, port } = await openServer(world)
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  return {
    port,
    grpcPort: port,
    unverifiableStatus: 503,
    without: ofHttp,
    send: (options) => ask(client, options),
    async [Symbol.asyncDispose]() {
      client.close()
      server.forceShutdown()
    },
  }
})
