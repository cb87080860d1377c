import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemRandom } from '@quantum-ip/base'
import { parseEnvelope, type Signer } from '@quantum-ip/crypto'
import { custodySigner, openFileCustody } from '@quantum-ip/custody'
import { signSubtree } from '@quantum-ip/log'
import {
  encodeClaims,
  formatMerkleToken,
  formatStaple,
  headerNames,
  tokenDigest,
  tokenLeafHash,
} from '@quantum-ip/token'
import { parseBundle, type SigningKeyRecord } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'

/** A thief who copied the folder of private keys with its passphrase, and reads what everybody may read. */
export interface KeyThief {
  /** The stolen key: the one that issues when it is stolen. */
  readonly kid: string
  readonly log: string
  /** A token that no log has, for the header of a request: of `sub`, for `aud`, signed with the stolen key. */
  forge(claims: { readonly sub: string; readonly aud: string }): Promise<Readonly<Record<string, string>>>
}

/** Far behind the end of any log of a drill: outside of the log. */
const firstForged = 1_000_000

/** Steals the active issuing key of an authority: its keys' folder is `keys`, copied into `into`. */
export async function stealIssuingKey(
  authority: string,
  { keys, into }: { readonly keys: string; readonly into: string },
): Promise<KeyThief> {
  const record = await activeIssuer(authority)
  const copy = join(into, 'stolen')
  await mkdir(into, { recursive: true })
  await cp(keys, copy, { recursive: true })
  await cp(`${keys}.passphrase`, `${copy}.passphrase`)
  const custody = await openFileCustody({ folder: copy })
  const signer = await custodySigner(custody, record.key.kid)
  let next = firstForged
  return {
    kid: record.key.kid,
    log: record.log ?? '',
    forge: (claims) => forge(record, signer, { ...claims, index: next++ }),
  }
}

async function activeIssuer(authority: string): Promise<SigningKeyRecord> {
  const text = await (await fetch(`${authority}/v1/bundle`)).text()
  const { keys } = parseBundle(parseEnvelope(text).payload)
  const active = keys.find((record) => record.use === 'qip-token' && record.state === 'active')
  if (active === undefined || active.use === 'qip-kem')
    throw new CliError('QIP_CLI_NOT_FOUND', { what: 'active issuing key' })
  return active
}

async function forge(
  { name = '', log: origin = '', keyId = 0 }: SigningKeyRecord,
  signer: Signer,
  { sub, aud, index }: { readonly sub: string; readonly aud: string; readonly index: number },
): Promise<Readonly<Record<string, string>>> {
  const iat = Math.floor(Date.now() / 1_000)
  const exp = iat + 300
  const claimsBytes = encodeClaims({ sub, aud: [aud], exp, iat, jti: systemRandom.bytes(16) })
  const place = { start: index, end: index + 1 }
  const hash = tokenLeafHash({ exp, digest: tokenDigest(claimsBytes) })
  const sig = await signSubtree({ origin, ...place, hash }, { name, signer })
  return {
    [headerNames.token]: formatMerkleToken({ claimsBytes, keyId, index, ...place, path: [] }),
    [headerNames.head]: formatStaple([{ origin, ...place, hash, sigs: [sig] }]),
  }
}
