// node_middleware: what verification adds to a request inside a Node service, processor time of the service's process.
import { fileURLToPath } from 'node:url'
import { leaveServerCore, startServer } from '../lib/child.ts'
import { HttpLoad } from '../lib/http-load.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'
import type { NodeService } from '../servers/node-service.ts'

const file = fileURLToPath(new URL('../servers/node-service.ts', import.meta.url))
const kinds = ['plain', 'quantum-ip', 'quantum-ip-cold', 'jose-mldsa44', 'jose-es256'] as const
type Kind = (typeof kinds)[number]

const connections = 16
const requestsPerRound = 1_000
const warmRounds = 3
const rounds = 9

function requestOf(field: string): string {
  const fields = [
    'GET /v1/orders/17?expand=items HTTP/1.1',
    'host: shop.example.test',
    'user-agent: checkout/2.4 (node)',
    'accept: application/json',
    'x-request-id: 7b1c2f5e-66a0-4a3b-9c5e-0d7f6a1b2c3d',
    field,
  ]
  return `${fields.join('\r\n')}\r\n\r\n`
}

/** Middleware in front of a handler of `node:http`, against none, and against JWTs checked by jose in the same place. */
export async function nodeMiddleware(): Promise<Rows> {
  leaveServerCore()
  await using stack = new AsyncDisposableStack()
  const measures = new Map<Kind, () => Promise<number>>()
  for (const kind of kinds) {
    const server = stack.use(await startServer<NodeService>(file, [kind]))
    const load = stack.use(await HttpLoad.open(server.info.port, connections))
    const requests = server.info.fields.map((field) => requestOf(field))
    const sent = Array.from({ length: requestsPerRound }, (_, at) => requests[at % requests.length] as string)
    measures.set(kind, async () => {
      const before = await server.cpuUs()
      await load.send(sent)
      return ((await server.cpuUs()) - before) / sent.length
    })
  }
  const samples = await takeTurns(measures)
  const median = (kind: Kind): number => percentile(samples.get(kind) ?? [], 0.5)
  // Of each round what is above plain in that round, so that a change of the machine's speed meets both.
  const added = (kind: Kind): number => {
    const base = samples.get('plain') ?? []
    return percentile(
      (samples.get(kind) ?? []).map((us, turn) => us - (base[turn] ?? Number.NaN)),
      0.5,
    )
  }
  const ours = added('quantum-ip')
  return {
    node_middleware: {
      value: round(ours),
      unit: 'us added',
      against: 'jose ML-DSA-44',
      ratio: round(added('jose-mldsa44') / ours),
      detail: {
        'plain us': round(median('plain')),
        'share of plain': round(ours / median('plain')),
        'cold us added': round(added('quantum-ip-cold')),
        'jose ML-DSA-44 us added': round(added('jose-mldsa44')),
        'jose ES256 us added': round(added('jose-es256')),
        'x jose ES256': round(added('jose-es256') / ours),
        'cold x jose ML-DSA-44': round(added('jose-mldsa44') / added('quantum-ip-cold')),
        'cold x jose ES256': round(added('jose-es256') / added('quantum-ip-cold')),
      },
    },
  }
}

async function takeTurns(
  measures: ReadonlyMap<Kind, () => Promise<number>>,
): Promise<ReadonlyMap<Kind, readonly number[]>> {
  const samples = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]))
  for (let turn = -warmRounds; turn < rounds; turn++) {
    const first = Math.abs(turn) % kinds.length
    for (const kind of [...kinds.slice(first), ...kinds.slice(0, first)]) {
      const us = await measures.get(kind)?.()
      if (turn >= 0 && us !== undefined) samples.get(kind)?.push(us)
    }
  }
  return samples
}
