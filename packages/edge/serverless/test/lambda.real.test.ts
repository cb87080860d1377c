// In AWS's own runtime interface client and emulator. What makes events of requests stands in for API Gateway.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { type Domain, openDomain } from './support.ts'
import { eventOf } from './events.ts'
import { openLambda, type RunningLambda } from './open-lambda.ts'

const emulator = await needComponent('lambda-emulator')
const runtime = await needComponent('lambda-runtime')
const skip = emulator.skip || runtime.skip

const guide = readFileSync(new URL('../../../../docs/guides/serverless.md', import.meta.url), 'utf8')
const blocks = Object.fromEntries(
  [...guide.matchAll(/```ts (\S+)\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => [name, code]),
)

let domain: Domain

before(async () => {
  if (skip === false) domain = await openDomain()
})

after(async () => {
  if (skip === false) await domain[Symbol.asyncDispose]()
})

function open(files: Readonly<Record<string, string>>): Promise<RunningLambda> {
  const { url } = domain.mirror
  const env = { QIP_ROOTS: domain.trust.rootThumbprints.join(','), QIP_MIRROR: url }
  return openLambda({ emulator, runtime, files, env })
}

const kinds = ['http', 'rest', 'alb', 'alb-multi'] as const

function asked(kind: (typeof kinds)[number], token?: string): object {
  const fields = ['Host', 'shop.acme.example', ...(token === undefined ? [] : ['Quantum-IP', token])]
  return eventOf(kind, { method: 'GET', target: '/cart?x=1', fields })
}

test(
  "the guide's function says hello to a caller with a token, and refuses one without, for every kind of event",
  { skip },
  async () => {
    await using lambda = await open(blocks)
    for (const kind of kinds) {
      const refused = await lambda.invoke(asked(kind))
      assert.equal(refused['statusCode'], 401, JSON.stringify(refused) + lambda.written)
      const answer = await lambda.invoke(asked(kind, await domain.token()))
      assert.equal(answer['body'], 'hello, spiffe://acme.example/ns/prod/sa/checkout', JSON.stringify(answer))
    }
  },
)

test(
  'an event that is no HTTP request is an error of the function that says what to do',
  { skip },
  async () => {
    await using lambda = await open(blocks)
    const failed = await lambda.invoke({ Records: [{ eventSource: 'aws:sqs' }] })
    assert.match(String(failed['errorMessage']), /no HTTP request that this wrapper knows.*`Records`/)
  },
)

const application = `
globalThis.loaded = true
export const handler = ({ quantumIp }) => ({ statusCode: 200, body: JSON.stringify({ identity: quantumIp.identity, pid: process.pid }) })
`

test('refused requests load nothing of the application in the runtime', { skip }, async () => {
  const lambda = `${blocks['lambda.ts']?.replace('export const handler', 'const guarded')}
export const handler = async (event, context) => ({ ...(await guarded(event, context)), loaded: globalThis.loaded === true })
`
  await using running = await open({ 'lambda.ts': lambda, 'application.ts': application })
  const [first, second, third] = [
    await running.invoke(asked('http')),
    await running.invoke(asked('http', `${await domain.token()}A`)),
    await running.invoke(asked('http', await domain.token())),
  ]
  assert.deepEqual(
    [first, second, third].map(({ statusCode, loaded }) => [statusCode, loaded]),
    [
      [401, false],
      [401, false],
      [200, true],
    ],
  )
})

test(
  'a function that was frozen sees what was revoked meanwhile, and tokens of that time',
  { skip },
  async () => {
    await using lambda = await open({ ...blocks, 'application.ts': application })
    const other = 'spiffe://acme.example/ns/prod/sa/report'
    const revoked = await domain.token({}, other)
    const before = await lambda.invoke(asked('http', revoked))
    const { pid, identity } = JSON.parse(String(before['body'])) as { pid: number; identity: string }
    assert.equal(identity, other)
    process.kill(pid, 'SIGSTOP')
    await domain.revoke(other)
    const token = await domain.token()
    // Longer than what counts as young, and than the mirror keeps an idle connection.
    await new Promise((resolve) => setTimeout(resolve, 7_000))
    process.kill(pid, 'SIGCONT')
    assert.equal((await lambda.invoke(asked('http', revoked)))['statusCode'], 401)
    const after = await lambda.invoke(asked('http', token))
    assert.equal(after['statusCode'], 200)
    assert.equal((JSON.parse(String(after['body'])) as { pid: number }).pid, pid)
  },
)
