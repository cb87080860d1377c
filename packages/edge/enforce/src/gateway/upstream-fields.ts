import type { Pass } from './decision.ts'
import { addForwarding } from './peers.ts'
import type { RelayCore } from './relay-core.ts'
import type { ReadHead } from './request-head.ts'

/**
 * The fields that the upstream gets: the end-to-end ones as they came, what this proxy says, and what the guard adds, last.
 * `streamed`: the body comes in parts, and its length is the one that was announced.
 */
export function upstreamFields(core: RelayCore, head: ReadHead, pass: Pass, streamed: boolean): string[] {
  const { scan } = head
  const { upstream } = pass
  const fields = ['host', upstream.keepsHost ? head.authority : upstream.connect.authority, ...scan.forward]
  if (streamed && head.contentLength !== undefined) fields.push('content-length', String(head.contentLength))
  // gRPC servers insist on it (RFC 9110, section 10.1.4); it goes no further than one connection, so it is said anew.
  if (upstream.http2 && scan.te !== undefined && trailersForm.test(scan.te)) fields.push('te', 'trailers')
  addForwarding(fields, scan, {
    peer: head.peer,
    scheme: head.scheme,
    authority: head.authority,
    via: head.version === '2' ? core.via2 : core.via1,
  })
  if (pass.fields !== undefined) fields.push(...pass.fields)
  return fields
}

const trailersForm = /(?:^|,)\s*trailers\s*(?:,|;|$)/i
