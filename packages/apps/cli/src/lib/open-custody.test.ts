import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { openCustody } from './open-custody.ts'

test('each key of `custody.vault` reaches the requests, and only keys that belong there do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-custody-'))
  const asked: unknown[] = []
  const server = createServer(({ url, headers }, reply) => {
    asked.push([url?.replace(/[0-9a-f-]{36}/, '…'), headers['x-vault-token'], headers['x-vault-namespace']])
    reply.writeHead(403).end('{"errors":["permission denied"]}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  await writeFile(join(folder, 'token'), 'hvs.configured\n')
  const vault = `{ url: "http://127.0.0.1:${port}/", tokenFile: ./token, mount: pki/transit, namespace: acme, prefix: qip-prod }`
  const { custody } = parseConfig(
    `custody: { directory: ./keys, vault: ${vault} }`,
    join(folder, 'quantum-ip.yaml'),
  )
  const opened = await openCustody(custody, () => undefined)
  try {
    await opened.create('ML-DSA-44', 'qip-token')
    assert.deepEqual(asked, [])
    await assert.rejects(opened.create('ML-DSA-65', 'bundle'), { code: 'QIP_CUSTODY_SERVICE_DENIED' })
    assert.deepEqual(asked, [['/v1/pki/transit/keys/qip-prod.bundle.…', 'hvs.configured', 'acme']])
  } finally {
    await opened.close()
    server.close()
    await rm(folder, { recursive: true })
  }
})
