import {
  type Builder,
  parseEvidence,
  parseProvenance,
  parseStatement,
  verifyEvidence,
} from '@quantum-ip/attestation'
import { base64, type JsonObject } from '@quantum-ip/base'
import { type NoteVerifierKey, parsePublicJwk, parseVkey, type PublicKey } from '@quantum-ip/crypto'
import { type TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import type { Fields } from './fields.ts'
import { timeMsOf, trustOf } from './trust-fields.ts'

/**
 * `evidence-verify`: the whole evidence file, without asking anybody.
 *
 * Whom to rely on comes as `vkeys` of the log and `builders` (`{ id, jwks[] }`, all keys required; or `jwks` alone for
 * whichever builder the provenance names), or both out of `rootDocument` and `bundle` at `time`.
 */
export async function evidenceVerify(fields: Fields): Promise<JsonObject> {
  const evidence = parseEvidence(fields.document('evidence'))
  const builderId = parseProvenance(parseStatement(evidence.envelope.payload)).builderId
  const { origin, index } = evidence.receipt
  const trusted = fields.has('bundle')
    ? await bundleTrust(fields, { builderId, origin, index })
    : { logKeys: vkeys(fields, 'vkeys'), builders: buildersOf(fields, builderId) }
  const wantedOrigin = fields.optionalText('origin')
  const verified = await verifyEvidence({
    ...trusted,
    evidence,
    build: fields.optionalBytes('build'),
    witnessKeys: vkeys(fields, 'witnesses'),
    witnessesMin: fields.optionalCount('witnessesMin'),
    origin: wantedOrigin,
  })
  const { facts, entry, asOf } = verified
  return {
    build: base64(facts.build),
    builder: facts.builder,
    ...(facts.source !== undefined && { source: facts.source.uri }),
    origin: verified.origin,
    index: verified.index,
    timeMs: entry.timeMs,
    treeSize: asOf.treeSize,
    root: base64(asOf.root),
    ...(asOf.checkpointTimeS !== undefined && { checkpointTime: asOf.checkpointTimeS }),
    vouchers: [...asOf.vouchers],
  }
}

interface Trusted {
  readonly logKeys: readonly NoteVerifierKey[]
  readonly builders: readonly Builder[]
}

function vkeys(fields: Fields, name: string): readonly NoteVerifierKey[] {
  return fields.texts(name).map((vkey) => parseVkey(vkey))
}

function buildersOf(fields: Fields, builderId: string): readonly Builder[] {
  if (!fields.has('builders')) return [{ id: builderId, keySets: [keysOf(fields)], slsaLevel: 0 }]
  return fields.objects('builders').map((builder) => ({
    id: builder.text('id'),
    keySets: [keysOf(builder)],
    slsaLevel: 0,
  }))
}

function keysOf(fields: Fields): readonly PublicKey[] {
  const jwks = fields.has('jwks') ? fields.list('jwks') : fields.list('keys')
  return jwks.map((jwk) => parsePublicJwk(jwk, { privateMembers: 'ignore', composites: true }))
}

async function bundleTrust(
  fields: Fields,
  at: { readonly builderId: string; readonly origin: string; readonly index: number },
): Promise<Trusted> {
  const trust: TrustStore = await trustOf(fields, timeMsOf(fields))
  const { builderId, origin, index } = at
  return {
    logKeys: trust.logKeys(origin, index).map((record) => verifierKeyOf(record)),
    builders: [{ id: builderId, keySets: trust.builderKeySets(builderId, origin, index), slsaLevel: 0 }],
  }
}
