import { setTimeout as sleep } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { MirrorError } from '../mirror-errors.ts'
import { objectBytesMax, type ObjectStore, type ObjectType } from './object-store.ts'

/** A bucket of a store that speaks S3. */
export interface S3Options {
  /** `https://host:port`; the bucket is the first part of the path, as every such store takes it. */
  readonly endpoint: string
  readonly bucket: string
  /** In front of every path; without a slash at the end. Empty: none. */
  readonly prefix?: string
  /** Default `us-east-1`, which stores other than Amazon's do not look at. */
  readonly region?: string
  readonly credentials: S3Credentials
  /** Milliseconds for one request. Default 30,000. */
  readonly timeoutMs?: number
}

/** Who signs the requests. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const attemptsMax = 4
const pauseMs = 200
const types: Readonly<Record<ObjectType, string>> = {
  checkpoint: 'text/plain; charset=utf-8',
  tile: 'application/octet-stream',
  json: 'application/json',
}

/**
 * A bucket as {@link ObjectStore}. A `PUT` replaces an object as a whole, and every such store of today reads its own writes: so what
 * is written in order is seen in order.
 */
export function s3Store(options: S3Options): ObjectStore {
  const { endpoint, bucket, prefix = '', timeoutMs = 30_000 } = options
  const { accessKeyId, secretAccessKey, sessionToken } = options.credentials
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    service: 's3',
    region: options.region ?? 'us-east-1',
    // Retried here, where it can be told what may be.
    retries: 0,
    ...(sessionToken !== undefined && { sessionToken }),
  })
  const name = `${endpoint}/${bucket}${prefix === '' ? '' : `/${prefix}`}`
  const call = async (path: string, init: RequestInit): Promise<Response> => {
    const url = `${name}/${path}`
    for (let attempt = 1; ; attempt++) {
      const answer = await once(client, url, { init, timeoutMs })
      if (!(answer instanceof Error) && answer.status < 500 && answer.status !== 429) return answer
      const reason = answer instanceof Error ? reasonOf(answer) : `status ${answer.status}`
      if (attempt >= attemptsMax) throw unavailable(name, reason, answer)
      // All that is sent may be sent again: the same bytes to the same place.
      await sleep(pauseMs * 2 ** attempt)
    }
  }
  return {
    name,
    async read(path) {
      const answer = await call(path, { method: 'GET' })
      if (answer.status === 404) {
        await answer.body?.cancel()
        return undefined
      }
      await check(name, answer)
      return readBody(name, answer)
    },
    async write(path, bytes, type = 'tile') {
      const immutable = type === 'tile' && !path.includes('.p/')
      const headers = {
        'content-type': types[type],
        'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      }
      const answer = await call(path, { method: 'PUT', headers, body: Buffer.from(bytes) })
      await check(name, answer)
      await answer.body?.cancel()
    },
    async remove(path) {
      const answer = await call(path, { method: 'DELETE' })
      if (answer.status !== 404) await check(name, answer)
      await answer.body?.cancel()
    },
  }
}

interface Call {
  readonly init: RequestInit
  readonly timeoutMs: number
}

async function once(client: AwsClient, url: string, { init, timeoutMs }: Call): Promise<Response | Error> {
  try {
    const request = await client.sign(url, { ...init, redirect: 'error' })
    return await fetch(request, { signal: AbortSignal.timeout(timeoutMs) })
  } catch (error) {
    return error instanceof Error ? error : new Error('unknown')
  }
}

// What such a store says is XML; the code in it is all that helps, and the rest may name keys.
async function check(name: string, answer: Response): Promise<void> {
  if (answer.ok) return
  const text = (await answer.text().catch(() => '')).slice(0, 4_096)
  const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1]
  throw unavailable(name, `status ${answer.status}${code === undefined ? '' : `, ${code}`}`)
}

async function readBody(name: string, answer: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > objectBytesMax) throw unavailable(name, `an object is larger than ${objectBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function reasonOf(error: Error): string {
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : error.name
}

function unavailable(store: string, reason: string, cause?: unknown): MirrorError {
  return new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', { store, reason }, { cause })
}
