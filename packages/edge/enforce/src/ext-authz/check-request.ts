import type { Buffer } from 'node:buffer'
import protobuf from 'protobufjs/minimal.js'

/*
 * Field numbers of envoy.service.auth.v3 (data-plane-api of 2026-01-29), of what is read here:
 *
 *   CheckRequest      attributes 1
 *   AttributeContext  source 1, request 4, context_extensions 10
 *   Peer              principal 4, certificate 5
 *   Request           http 2
 *   HttpRequest       method 2, headers 3, path 4, host 5, raw_body 12, header_map 13
 *   HeaderMap         headers 1;  HeaderValue  key 1, value 2, raw_value 3
 *   entry of a map    key 1, value 2
 */

/** What Envoy asks: `envoy.service.auth.v3.CheckRequest`, as far as it is read. */
export interface CheckRequest {
  method: string
  /** With query. */
  path: string
  host: string
  /** Flat: name, value. Pseudo-fields of HTTP/2 among them. */
  readonly fields: string[]
  /** Whether fields of one name were joined with commas: they are, without `encode_raw_headers`. */
  joined: boolean
  /** The body as bytes (`pack_as_bytes`). As text it is not read: Envoy replaces in it what is not UTF-8. */
  rawBody: Uint8Array | undefined
  /** The certificate of the client, URL-encoded PEM (`include_peer_certificate`). */
  certificate: string
  /** `context_extensions` of the route. */
  readonly extensions: Map<string, string>
}

type Reader = protobuf.Reader
type Take = (field: number, reader: Reader) => boolean

/**
 * Reads a `CheckRequest`. Fields that are not known are skipped, as protobuf has it.
 *
 * @throws {Error} for what is no message.
 */
export function decodeCheckRequest(bytes: Buffer): CheckRequest {
  const asked: CheckRequest = {
    method: '',
    path: '',
    host: '',
    fields: [],
    joined: true,
    rawBody: undefined,
    certificate: '',
    extensions: new Map(),
  }
  const reader = protobuf.Reader.create(bytes)
  readFields(reader, reader.len, (field) => {
    if (field !== 1) return false
    readMessage(reader, (attribute) => readAttribute(asked, attribute, reader))
    return true
  })
  return asked
}

function readAttribute(asked: CheckRequest, field: number, reader: Reader): boolean {
  if (field === 1) {
    readMessage(reader, (part) => {
      if (part !== 5) return false
      asked.certificate = reader.string()
      return true
    })
  } else if (field === 4) {
    readMessage(reader, (part) => {
      if (part !== 2) return false
      readMessage(reader, (http) => readHttp(asked, http, reader))
      return true
    })
  } else if (field === 10) {
    const [name, value] = readEntry(reader)
    asked.extensions.set(name, value)
  } else return false
  return true
}

function readHttp(asked: CheckRequest, field: number, reader: Reader): boolean {
  switch (field) {
    case 2:
      asked.method = reader.string()
      return true
    case 3:
      asked.fields.push(...readEntry(reader))
      return true
    case 4:
      asked.path = reader.string()
      return true
    case 5:
      asked.host = reader.string()
      return true
    case 12:
      asked.rawBody = reader.bytes()
      return true
    case 13:
      asked.joined = false
      readMessage(reader, (part) => {
        if (part !== 1) return false
        asked.fields.push(...readHeader(reader))
        return true
      })
      return true
    default:
      return false
  }
}

function readEntry(reader: Reader): [name: string, value: string] {
  let name = ''
  let value = ''
  readMessage(reader, (field) => {
    if (field === 1) name = reader.string()
    else if (field === 2) value = reader.string()
    else return false
    return true
  })
  return [name, value]
}

// Bytes as the runtime reads fields: one character each.
function readHeader(reader: Reader): [name: string, value: string] {
  let name = ''
  let value = ''
  readMessage(reader, (field) => {
    if (field === 1) name = reader.string()
    else if (field === 2) value = reader.string()
    else if (field === 3) value = (reader.bytes() as Buffer).toString('latin1')
    else return false
    return true
  })
  return [name, value]
}

function readMessage(reader: Reader, take: Take): void {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new RangeError('a message ends beyond its bytes')
  readFields(reader, end, take)
}

const lengthDelimited = 2

// Everything that is read is length-delimited; a known number with another wire type is an unknown field.
function readFields(reader: Reader, end: number, take: Take): void {
  while (reader.pos < end) {
    const tag = reader.uint32()
    if ((tag & 7) !== lengthDelimited || !take(tag >>> 3, reader)) reader.skipType(tag & 7)
  }
  if (reader.pos !== end) throw new RangeError('a field ends beyond its message')
}
