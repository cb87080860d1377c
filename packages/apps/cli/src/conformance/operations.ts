import type { JsonObject } from '@quantum-ip/base'
import type { Fields } from './fields.ts'

/** One operation: takes the fields of a request, and returns what its answer holds beside `id` and `ok`, or throws a coded error. */
export type Operation = (fields: Fields) => JsonObject | Promise<JsonObject>

/** What `qip conformance --help` says of an operation. */
export interface OperationRow {
  /** Fields it takes, then what it answers. */
  readonly usage: string
  readonly load: () => Promise<Operation>
}

const signatures = () => import('./signature-operations.ts')
const logs = () => import('./log-operations.ts')

/** Every operation of `qip conformance`, by its name. What an operation needs is loaded when it is first asked for. */
export const operations: Readonly<Record<string, OperationRow>> = {
  'mldsa-keygen': {
    usage: 'alg, seed → publicKey',
    load: async () => (await signatures()).mldsaKeygen,
  },
  'mldsa-sign': {
    usage: 'alg, seed, message, context? → signature',
    load: async () => (await signatures()).mldsaSign,
  },
  'mldsa-verify': {
    usage: 'alg, publicKey, message, context?, signature',
    load: async () => (await signatures()).mldsaVerify,
  },
  'ed25519-verify': {
    usage: 'publicKey, message, signature',
    load: async () => (await signatures()).ed25519Verify,
  },
  'composite-verify': {
    usage: 'alg, publicKey, message, signature',
    load: async () => (await signatures()).compositeVerify,
  },
  'jws-verify': { usage: 'jws, jwk → payload', load: async () => (await signatures()).jwsVerify },
  'jwk-thumbprint': { usage: 'jwk → thumbprint', load: async () => (await signatures()).thumbprint },
  'merkle-inclusion': {
    usage: 'leafHash, index, size, proof[], root',
    load: async () => (await logs()).merkleInclusion,
  },
  'merkle-consistency': {
    usage: 'size1, size2, root1, root2, proof[]',
    load: async () => (await logs()).merkleConsistency,
  },
  'subtree-cover': { usage: 'start, end → subtrees[]', load: async () => (await logs()).subtreeCover },
  'subtree-inclusion': {
    usage: 'leafHash, index, start, end, proof[], hash',
    load: async () => (await logs()).subtreeInclusion,
  },
  'subtree-consistency': {
    usage: 'start, end, size, hash, root, proof[]',
    load: async () => (await logs()).subtreeConsistency,
  },
  'note-verify': { usage: 'note, vkeys[] → text, names[]', load: async () => (await logs()).noteVerify },
  'tile-log-verify': {
    usage: 'directory or url, vkeys[] → size, root',
    load: async () => (await logs()).tileLogVerify,
  },
  'dsse-verify': {
    usage: 'envelope, jwks[], threshold → payloadType, payload',
    load: async () => (await signatures()).dsseVerify,
  },
  'evidence-verify': {
    usage:
      'evidence, vkeys[], builders[] {id, jwks[]} or jwks[], build?, origin?, witnesses[]?, witnessesMin? → build, builder, …',
    load: async () => (await import('./evidence-operation.ts')).evidenceVerify,
  },
  'token-verify': {
    usage:
      'token, rootDocument, bundle, state, heads[], time, audience, revocations[]? → verdict (time in seconds)',
    load: async () => (await import('./token-operation.ts')).tokenVerify,
  },
}
