import type { Buffer } from 'node:buffer'
import protobuf from 'protobufjs/minimal.js'

/*
 * Field numbers of envoy.service.auth.v3 and what it uses (data-plane-api of 2026-01-29), of what is written here:
 *
 *   CheckResponse        status 1, denied_response 2, ok_response 3, dynamic_metadata 4
 *   google.rpc.Status    code 1
 *   OkHttpResponse       headers 2, headers_to_remove 5
 *   DeniedHttpResponse   status 1, headers 2, body 3;  HttpStatus  code 1
 *   HeaderValueOption    header 1, append_action 3;  HeaderValue  key 1, value 2
 *   google.protobuf      Struct  fields 1;  entry  key 1, value 2;  Value  string_value 3
 */

/** What Envoy is told in any case. */
interface Told {
  /** Becomes dynamic metadata of the filter. */
  readonly metadata: readonly string[]
}

/** The request goes on. */
export interface OkResponse extends Told {
  /** Fields to set in place of what is there; flat. */
  readonly fields: readonly string[]
  /** Names of fields to take off. */
  readonly removed: readonly string[]
}

/** The request goes nowhere. */
export interface DeniedResponse extends Told {
  /** HTTP. */
  readonly status: number
  /** Flat. */
  readonly fields: readonly string[]
  readonly body: string
}

type Writer = protobuf.Writer

const overwrite = 2

/** `CheckResponse` that lets a request through. */
export function encodeOk({ fields, removed, metadata }: OkResponse): Buffer {
  const writer = protobuf.Writer.create()
  // `status` is there, with the code 0.
  writer.uint32(tag(1)).uint32(0)
  writer.uint32(tag(3)).fork()
  writeFields(writer, fields)
  for (const name of removed) writer.uint32(tag(5)).string(name)
  writer.ldelim()
  writeMetadata(writer, metadata)
  return writer.finish() as Buffer
}

/** `CheckResponse` with which Envoy answers in place of the service. */
export function encodeDenied({ status, fields, body, metadata }: DeniedResponse): Buffer {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(1)).fork().uint32(varint(1)).uint32(codeOf(status)).ldelim()
  writer.uint32(tag(2)).fork()
  writer.uint32(tag(1)).fork().uint32(varint(1)).uint32(status).ldelim()
  writeFields(writer, fields)
  writer.uint32(tag(3)).string(body).ldelim()
  writeMetadata(writer, metadata)
  return writer.finish() as Buffer
}

/** The gRPC status beside an HTTP status. Envoy looks only at whether it is 0. */
function codeOf(status: number): number {
  const [unauthenticated, unavailable, permissionDenied] = [16, 14, 7]
  return status === 401 ? unauthenticated : status >= 500 ? unavailable : permissionDenied
}

function writeFields(writer: Writer, fields: readonly string[]): void {
  for (let i = 0; i < fields.length; i += 2) {
    writer.uint32(tag(2)).fork()
    writer.uint32(tag(1)).fork()
    writer
      .uint32(tag(1))
      .string(fields[i] as string)
      .uint32(tag(2))
      .string(fields[i + 1] as string)
      .ldelim()
    writer.uint32(varint(3)).uint32(overwrite).ldelim()
  }
}

function writeMetadata(writer: Writer, metadata: readonly string[]): void {
  writer.uint32(tag(4)).fork()
  for (let i = 0; i < metadata.length; i += 2) {
    writer
      .uint32(tag(1))
      .fork()
      .uint32(tag(1))
      .string(metadata[i] as string)
    writer.uint32(tag(2)).fork()
    writer
      .uint32(tag(3))
      .string(metadata[i + 1] as string)
      .ldelim()
    writer.ldelim()
  }
  writer.ldelim()
}

// Tags: the number of the field and its wire type.
function tag(field: number): number {
  return (field << 3) | 2
}

function varint(field: number): number {
  return field << 3
}
