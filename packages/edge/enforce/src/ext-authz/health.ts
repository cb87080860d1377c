import { Buffer } from 'node:buffer'
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js'
import protobuf from 'protobufjs/minimal.js'

/*
 * grpc.health.v1: HealthCheckRequest  service 1;  HealthCheckResponse  status 1
 */
const serving = 1
const notServing = 2
const serviceUnknown = 3

type Serving = typeof serving | typeof notServing | typeof serviceUnknown

interface Asked {
  readonly service: string
}

type CheckCall = ServerUnaryCall<Asked, Serving>
type WatchCall = ServerWritableStream<Asked, Serving>

/** How often it is looked whether there is news for watchers. */
const lookMs = 500
/** Streams of `Watch` at once; each costs a little memory and nothing else. */
const watchersMax = 1_024

/** `grpc.health.v1.Health`: says whether questions should come here. */
export class Health {
  readonly #services: ReadonlySet<string>
  readonly #ready: () => boolean
  readonly #watchers = new Map<WatchCall, Serving>()
  #wasReady = false
  #stopping = false
  #timer: NodeJS.Timeout | undefined

  /** `services`: names that are asked for, besides the empty one. `ready`: whether it can answer; once it could, it stays so until it stops. */
  constructor(services: readonly string[], ready: () => boolean) {
    this.#services = new Set(['', ...services])
    this.#ready = ready
  }

  /** From now on nothing new should come here; those who watch are told. */
  stop(): void {
    this.#stopping = true
    this.#tell()
  }

  /** Ends the streams of those who watch. */
  close(): void {
    clearInterval(this.#timer)
    for (const call of this.#watchers.keys()) call.end()
    this.#watchers.clear()
  }

  /** The methods, for a server of `@grpc/grpc-js`. */
  readonly methods = {
    check: (call: CheckCall, answer: sendUnaryData<Serving>): void => {
      const found = this.#of(call.request.service)
      if (found === serviceUnknown)
        answer({ code: status.NOT_FOUND, details: 'there is no such service here' })
      else answer(null, found)
    },
    watch: (call: WatchCall): void => {
      if (this.#watchers.size >= watchersMax) {
        call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'too many watch already' })
        return
      }
      const found = this.#of(call.request.service)
      this.#watchers.set(call, found)
      call.write(found)
      call.on('cancelled', () => {
        this.#watchers.delete(call)
      })
      call.on('error', () => {
        this.#watchers.delete(call)
      })
      this.#timer ??= setInterval(() => this.#tell(), lookMs).unref()
    },
  }

  #of(service: string): Serving {
    if (!this.#services.has(service)) return serviceUnknown
    if (!this.#wasReady) this.#wasReady = this.#ready()
    return this.#wasReady && !this.#stopping ? serving : notServing
  }

  #tell(): void {
    for (const [call, told] of this.#watchers) {
      const now = this.#of(call.request.service)
      if (now === told) continue
      this.#watchers.set(call, now)
      call.write(now)
    }
  }
}

/** The service as `@grpc/grpc-js` takes it. */
export const healthService = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: encodeService,
    requestDeserialize: decodeService,
    responseSerialize: encodeServing,
    responseDeserialize: decodeServing,
  },
  watch: {
    path: '/grpc.health.v1.Health/Watch',
    requestStream: false,
    responseStream: true,
    requestSerialize: encodeService,
    requestDeserialize: decodeService,
    responseSerialize: encodeServing,
    responseDeserialize: decodeServing,
  },
} as const

function encodeService({ service }: Asked): Buffer {
  return Buffer.from(protobuf.Writer.create().uint32(0x0a).string(service).finish())
}

// An object: the library takes an empty string for no message.
function decodeService(bytes: Buffer): Asked {
  const reader = protobuf.Reader.create(bytes)
  let service = ''
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag === 0x0a) service = reader.string()
    else reader.skipType(tag & 7)
  }
  return { service }
}

function encodeServing(value: Serving): Buffer {
  return Buffer.from([0x08, value])
}

function decodeServing(bytes: Buffer): Serving {
  return (bytes[1] ?? 0) as Serving
}
