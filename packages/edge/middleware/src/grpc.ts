import {
  type Interceptor,
  InterceptingCall,
  type InterceptingListener,
  Metadata,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerInterceptingCall,
  status,
} from '@grpc/grpc-js'
import type { ServiceId } from '@quantum-ip/base'
import { proofFields, type TokenPool } from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'
import {
  addTracestateHint,
  metadataNames,
  proofFieldName,
  proofHeaderName,
  readChallenge,
} from '@quantum-ip/token'
import type { QuantumIpCall } from './call.ts'
import { isReserved, reservedFields } from './lib/fields.ts'
import { grpcCertificate } from './lib/grpc-certificate.ts'
import { coordinates } from './lib/node-request.ts'
import type { CallToJudge, JudgedCall, PassedCall, QuantumIp, RefusedCall } from './quantum-ip.ts'

// Handlers get the metadata that the interceptor passed on: that is where a call is found again.
const calls = new WeakMap<Metadata, QuantumIpCall>()

/**
 * Who calls, in a handler behind {@link grpcServerInterceptor}.
 *
 * @throws {TypeError} in a handler that is not behind it.
 */
export function quantumIpOf(call: { readonly metadata: Metadata }): QuantumIpCall {
  const found = calls.get(call.metadata)
  if (found === undefined) throw new TypeError('no interceptor of Quantum IP judged this call')
  return found
}

/**
 * An interceptor for servers of `@grpc/grpc-js`: calls are judged by their metadata, before any message is delivered. Refused ones end with
 * `UNAUTHENTICATED`, `PERMISSION_DENIED` or `UNAVAILABLE`, and the decision's ID. With `cut`, a stream whose token ends or is revoked ends with
 * `UNAUTHENTICATED`, too.
 *
 * A server with TLS that asks for no client certificate does not show that it has TLS: there, `scheme: 'https'` says so, or proofs of
 * possession for `https` addresses do not hold.
 */
export function grpcServerInterceptor(quantumIp: QuantumIp): ServerInterceptor {
  return (method, call) => {
    let isOver = false
    let release: (() => void) | undefined
    const leave = (): void => {
      isOver = true
      release?.()
    }
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, proceed) {
            judge(quantumIp, readCall(quantumIp, method.path, { call, metadata }), (judged) => {
              if (!judged.passes) return call.sendStatus(refusalStatus(judged))
              release = judged.hold?.(() => call.sendStatus(tokenEnded()))
              if (isOver) return release?.()
              replaceMetadata(metadata, judged)
              proceed(metadata)
            })
          },
          onCancel: leave,
        })
      },
      sendStatus(sent, next) {
        leave()
        next(sent)
      },
    })
  }
}

function judge(quantumIp: QuantumIp, asked: CallToJudge, act: (judged: JudgedCall) => void): void {
  const judged = quantumIp.judge(asked)
  if (judged instanceof Promise) void judged.then(act)
  else act(judged)
}

function readCall(
  { scheme, certificates }: QuantumIp,
  target: string,
  { call, metadata }: { readonly call: ServerInterceptingCallInterface; readonly metadata: Metadata },
): CallToJudge {
  const isTls = call.getAuthContext().transportSecurityType === 'ssl'
  const authority = call.getHost()
  const at = coordinates({ method: 'POST', authority, scheme: scheme ?? (isTls ? 'https' : 'http'), target })
  // HTTP/2 joins equal fields. A token has no comma: more than one part is more than one field.
  const flat = Object.keys(metadata.getMap()).flatMap((name) =>
    metadata
      .get(name)
      .flatMap((value) => (name === 'tracestate' ? [String(value)] : String(value).split(',')))
      .flatMap((value) => [name, value.trim()]),
  )
  const certificate = grpcCertificate(call, metadata, certificates)
  return { at, reserved: reservedFields(flat), certificate }
}

function replaceMetadata(metadata: Metadata, { call, fields }: PassedCall): void {
  for (const name of Object.keys(metadata.getMap())) if (isReserved(name)) metadata.remove(name)
  for (let i = 0; i < fields.length; i += 2) metadata.set(fields[i] as string, fields[i + 1] as string)
  calls.set(metadata, call)
}

// A stream that is open when its token ends, or is revoked.
function tokenEnded() {
  const details = 'the token of this call holds no longer'
  return { code: status.UNAUTHENTICATED, details, metadata: new Metadata() }
}

const codes: ReadonlyMap<number, status> = new Map([
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
])

function refusalStatus({ answer, outcome }: RefusedCall) {
  const { title } = JSON.parse(answer.body) as { readonly title: string }
  const id = outcome?.decisionId ?? undefined
  const metadata = new Metadata()
  const at = answer.fields.indexOf('www-authenticate')
  if (at >= 0) metadata.set('www-authenticate', answer.fields[at + 1] as string)
  if (id !== undefined) metadata.set('quantum-ip-decision', id)
  const details = id === undefined ? title : `${title} (decision ${id})`
  return { code: codes.get(answer.status) ?? status.UNAVAILABLE, details, metadata }
}

/** How {@link grpcClientInterceptor} calls a service. */
export interface GrpcClientOptions {
  /** The service that is called: what the tokens are for. */
  readonly audience: ServiceId
  /** Tokens for it. */
  readonly tokens: Pick<TokenPool, 'take'>
  /** Sends the head with each token. Default: from the first call on that was refused for want of it. */
  readonly staple?: boolean
  /** The key that the tokens are bound to, and where callers find the service: `https://shop.example.com`. With each call goes a proof. */
  readonly proof?: { readonly signer: ProofSigner; readonly origin: string }
}

/**
 * An interceptor for clients of `@grpc/grpc-js`, one for each service that is called: attaches a token to each call, and the hint that one
 * was attached. Without a token the call ends with `UNAVAILABLE` and is not sent.
 */
export function grpcClientInterceptor(options: GrpcClientOptions): Interceptor {
  const { audience, tokens, staple = false, proof } = options
  let isStapling = staple
  const asked = (): void => {
    isStapling = true
  }
  return (called, nextCall) =>
    new InterceptingCall(nextCall(called), {
      start(metadata, listener, next) {
        const attach = async (): Promise<void> => {
          const issued = await tokens.take()
          metadata.set(metadataNames.token, issued.token)
          if (proof !== undefined) {
            const url = new URL(called.method_definition.path, proof.origin)
            const made = await proofFields({ signer: proof.signer, token: issued.token, url })
            metadata.set(proofFieldName, made[proofHeaderName] as string)
          }
          if (isStapling && issued.staple !== undefined) metadata.set(metadataNames.head, issued.staple)
          const trace = metadata.get('tracestate').join(',')
          metadata.set('tracestate', addTracestateHint(trace, audience))
          next(metadata, listeningForChallenge(listener, asked))
        }
        attach().catch(() => {
          const details = 'no token for this service could be had'
          listener.onReceiveStatus({ code: status.UNAVAILABLE, details, metadata: new Metadata() })
        })
      },
    })
}

function listeningForChallenge(listener: InterceptingListener, asked: () => void): InterceptingListener {
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
    onReceiveMessage: (message: unknown) => listener.onReceiveMessage(message),
    onReceiveStatus(ended) {
      const [challenge] = ended.metadata.get('www-authenticate')
      if (typeof challenge === 'string' && readChallenge(challenge)?.head === 'required') asked()
      listener.onReceiveStatus(ended)
    },
  }
}
