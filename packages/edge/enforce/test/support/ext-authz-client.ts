import { Client, type ClientReadableStream, credentials } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

/*
 * The messages as Envoy's data-plane API has them, by a reader and writer that is not the server's: what is public is written here a second
 * time, and read by reflection.
 */
const schema = `
syntax = "proto3";
message CheckRequest { AttributeContext attributes = 1; }
message AttributeContext {
  message Peer { string service = 2; map<string, string> labels = 3; string principal = 4; string certificate = 5; }
  message Request { HttpRequest http = 2; }
  message HttpRequest {
    string id = 1; string method = 2; map<string, string> headers = 3; string path = 4; string host = 5; string scheme = 6;
    string query = 7; string fragment = 8; int64 size = 9; string protocol = 10; string body = 11; bytes raw_body = 12;
    HeaderMap header_map = 13;
  }
  message TLSSession { string sni = 1; }
  Peer source = 1; Peer destination = 2; Request request = 4; map<string, string> context_extensions = 10; TLSSession tls_session = 12;
}
message HeaderMap { repeated HeaderValue headers = 1; }
message HeaderValue { string key = 1; string value = 2; bytes raw_value = 3; }
message CheckResponse {
  Status status = 1; DeniedHttpResponse denied_response = 2; OkHttpResponse ok_response = 3; Struct dynamic_metadata = 4;
}
message Status { int32 code = 1; string message = 2; }
message HttpStatus { int32 code = 1; }
message DeniedHttpResponse { HttpStatus status = 1; repeated HeaderValueOption headers = 2; string body = 3; }
message OkHttpResponse { repeated HeaderValueOption headers = 2; repeated string headers_to_remove = 5; }
message HeaderValueOption { HeaderValue header = 1; int32 append_action = 3; bool keep_empty_value = 4; }
message Struct { map<string, Value> fields = 1; }
message Value { oneof kind { double number_value = 2; string string_value = 3; bool bool_value = 4; } }
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
`

const root = protobuf.parse(schema, { keepCase: true }).root

/** What is asked; `context_extensions` and `source` as in Envoy's API. */
export interface AskedCheck {
  readonly http: { readonly [field: string]: unknown }
  readonly source?: { readonly [field: string]: unknown }
  readonly context_extensions?: { readonly [name: string]: string }
}

/** An answer, as far as tests look. */
export interface CheckAnswer {
  readonly code: number
  /** Of a refusal. */
  readonly status: number | undefined
  readonly body: string
  /** Fields to set, or of the answer, by name. */
  readonly headers: { readonly [name: string]: string }
  readonly removed: readonly string[]
  readonly metadata: { readonly [key: string]: string }
}

/** The bytes of a `CheckRequest`. */
export function encodeCheck({ http, ...rest }: AskedCheck): Buffer {
  const type = root.lookupType('CheckRequest')
  return Buffer.from(type.encode(type.fromObject({ attributes: { ...rest, request: { http } } })).finish())
}

interface Plain {
  readonly status?: { readonly code?: number }
  readonly denied_response?: {
    readonly status: { readonly code: number }
    readonly headers?: readonly PlainHeader[]
    readonly body?: string
  }
  readonly ok_response?: {
    readonly headers?: readonly PlainHeader[]
    readonly headers_to_remove?: readonly string[]
  }
  readonly dynamic_metadata?: {
    readonly fields?: Readonly<Record<string, { readonly string_value: string }>>
  }
}

interface PlainHeader {
  readonly header: { readonly key: string; readonly value: string }
  readonly append_action: number
}

/** Reads a `CheckResponse`. */
export function decodeAnswer(bytes: Buffer): CheckAnswer {
  const type = root.lookupType('CheckResponse')
  const { status, denied_response, ok_response, dynamic_metadata } = type.toObject(
    type.decode(bytes),
  ) as Plain
  const headers = denied_response?.headers ?? ok_response?.headers ?? []
  for (const { append_action } of headers) if (append_action !== 2) throw new Error('not in place of others')
  return {
    code: status?.code ?? 0,
    status: denied_response?.status.code,
    body: denied_response?.body ?? '',
    headers: Object.fromEntries(headers.map(({ header }) => [header.key, header.value])),
    removed: ok_response?.headers_to_remove ?? [],
    metadata: Object.fromEntries(
      Object.entries(dynamic_metadata?.fields ?? {}).map(([name, value]) => [name, value.string_value]),
    ),
  }
}

/** A client of the server under test. */
export interface CheckClient extends Disposable {
  check(asked: AskedCheck): Promise<CheckAnswer>
  /** With bytes as they are. */
  send(bytes: Buffer): Promise<CheckAnswer>
  health(service?: string): Promise<number>
  watch(service?: string): ClientReadableStream<number>
}

const asIs = (bytes: Buffer): Buffer => bytes

/** Connects to a server; over TLS where a certificate is given that it must show. */
export function openCheckClient(target: string, ca?: string): CheckClient {
  const channel = ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca))
  const client = new Client(target, channel, { 'grpc.use_local_subchannel_pool': 1 })
  const asked = root.lookupType('HealthCheckRequest')
  const told = root.lookupType('HealthCheckResponse')
  const encodeService = (service: string): Buffer => Buffer.from(asked.encode({ service }).finish())
  const decodeServing = (bytes: Buffer): number =>
    (told.decode(bytes) as unknown as { status: number }).status
  const unary = <A, B>(
    path: string,
    [encode, decode]: readonly [(value: A) => Buffer, (bytes: Buffer) => B],
    value: A,
  ): Promise<B> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 10_000
      client.makeUnaryRequest(path, encode, decode, value, { deadline }, (error, answer) => {
        if (error !== null) reject(error)
        else resolve(answer as B)
      })
    })
  const send = (bytes: Buffer): Promise<CheckAnswer> =>
    unary('/envoy.service.auth.v3.Authorization/Check', [asIs, decodeAnswer], bytes)
  return {
    send,
    check: (check) => send(encodeCheck(check)),
    health: (service = '') => unary('/grpc.health.v1.Health/Check', [encodeService, decodeServing], service),
    watch: (service = '') =>
      client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', encodeService, decodeServing, service),
    [Symbol.dispose]: () => client.close(),
  }
}
