import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientError, type Session } from '@quantum-ip/client'
import { allocateLoadMemory } from '@quantum-ip/point'
import { parseConfig } from '@quantum-ip/http'
import { allocateReplayMemory } from '@quantum-ip/verifier'
import { openGatewayPart } from './gateway-part.ts'
import { registerMetrics } from './register-metrics.ts'

const td = 'spiffe://acme.example'

test('a gateway that cannot open leaves no follower behind, over a fake session to nobody', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-part-'))
  const config = parseConfig(
    `trustDomain: ${td}
services: [{ id: ${td}/a }]
trust: { snapshot: ${folder} }
gateway: { routes: [{ service: ${td}/a, upstream: https://127.0.0.1:1, upstreamCaFile: ${folder}/missing.pem }] }
`,
    'test.yaml',
  )
  let asked = 0
  const refuse = (): Promise<never> => {
    asked++
    return Promise.reject(
      new ClientError('QIP_CLIENT_AUTHORITY_UNAVAILABLE', { operation: 'test', reason: 'nobody is there' }),
    )
  }
  const nobody = { url: 'http://127.0.0.1:1', request: refuse, stream: refuse }
  const session = { ...nobody, transport: nobody }
  const opening = openGatewayPart({
    role: 'gateway',
    config,
    session: session as unknown as Session,
    pins: { thumbprints: ['a'.repeat(43)], threshold: 1 },
    metrics: registerMetrics(config),
    replayMemory: allocateReplayMemory({ bytes: 1_048_576, startedMs: 0 }),
    loadMemory: allocateLoadMemory({ threads: 1 }),
    policies: new Map(),
    thread: 0,
    sharesPort: false,
    ownAuthority: false,
    onEvent: () => undefined,
    onTelemetry: () => undefined,
  })
  await assert.rejects(opening, { code: 'QIP_CLI_FILE_UNREADABLE' })
  const before = asked
  assert.ok(before > 0, 'the follower was open')
  // One that still ran would ask again after half a second.
  await sleep(2_000)
  assert.equal(asked, before)
  await rm(folder, { recursive: true })
})
