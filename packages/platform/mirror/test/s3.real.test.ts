import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { AwsClient } from 'aws4fetch'
import { needComponent, openComponent, type RunningComponent } from '../../../../scripts/real-components.ts'
import { publishTiles, s3Store } from '../src/index.ts'
import { folder, testLog, verifyPublished } from './support.ts'

const minio = await needComponent('minio')
// What MinIO has where nothing else is set.
const credentials = { accessKeyId: 'minioadmin', secretAccessKey: 'minioadmin' }

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function startMinio(place: string, port: number): Promise<RunningComponent> {
  const isReady = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/minio/health/ready`).catch(() => undefined)
    return answer?.ok === true
  }
  const args = [
    'server',
    '--address',
    `127.0.0.1:${port}`,
    '--console-address',
    '127.0.0.1:0',
    join(place, 's3'),
  ]
  return openComponent(minio, args, { isReady })
}

test(
  'publishes to MinIO: whole at every size, and resumed after the store was away',
  { skip: minio.skip },
  async () => {
    await using place = await folder()
    const port = await freePort()
    const endpoint = `http://127.0.0.1:${port}`
    const log = await testLog()
    const store = s3Store({ endpoint, bucket: 'logs', prefix: 'acme/v1', credentials, timeoutMs: 5_000 })
    {
      await using _server = await startMinio(place.path, port)
      const client = new AwsClient({ ...credentials, service: 's3', region: 'us-east-1' })
      assert.equal((await client.fetch(`${endpoint}/logs`, { method: 'PUT' })).status, 200)
      assert.equal(await store.read('tokens/1/checkpoint'), undefined)
      for (const count of [3, 300, 1]) {
        await log.grow(count)
        await publishTiles({ source: log.log, note: await log.checkpoint(), store })
        assert.equal((await verifyPublished(store, log)).size, log.log.head().size)
      }
      const answer = await client.fetch(`${endpoint}/logs/acme/v1/tokens/1/checkpoint`)
      assert.deepEqual(
        [answer.headers.get('content-type'), answer.headers.get('cache-control')],
        ['text/plain; charset=utf-8', 'no-cache'],
      )
      const wrong = s3Store({
        endpoint,
        bucket: 'logs',
        credentials: { ...credentials, secretAccessKey: 'wrong' },
      })
      await assert.rejects(wrong.write('x', new Uint8Array(1)), (error: Error) => {
        assert.match(error.message, /403, SignatureDoesNotMatch/)
        return !error.message.includes('wrong')
      })
    }
    await log.grow(700)
    const publication = { source: log.log, note: await log.checkpoint(), store, resume: true }
    await assert.rejects(publishTiles(publication), { code: 'QIP_MIRROR_STORE_UNAVAILABLE' })
    await using _server = await startMinio(place.path, port)
    assert.equal((await verifyPublished(store, log)).size, 304)
    await publishTiles(publication)
    assert.equal((await verifyPublished(store, log)).size, 1_004)
    await store.remove('tokens/1/tile/0/000.p/3')
    await store.remove('tokens/1/tile/0/000.p/3')
    assert.equal(await store.read('tokens/1/tile/0/000.p/3'), undefined)
  },
)
