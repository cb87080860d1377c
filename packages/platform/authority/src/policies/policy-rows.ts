import { base64url, parseBase64url } from '@quantum-ip/base'
import { type Envelope, formatEnvelope, parseEnvelope, sha256 } from '@quantum-ip/crypto'
import { parsePolicyRollout, parsePolicyText, type PolicyRollout, type PolicyText } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlRow, SqlStatement } from '../store/sql.ts'

/** A signed document, and the hash of what is signed. */
export interface SignedPolicy<Document> {
  readonly document: Document
  readonly sha256: Uint8Array
  /** DSSE as JSON. */
  readonly envelope: string
}

/** A version as lists show it. */
export interface VersionRow {
  readonly version: number
  readonly timeMs: number
  readonly author: string
  readonly comment: string
  /** Base64url. */
  readonly sha256: string
}

/** Keeps a version. */
export function versionStatement({
  document,
  sha256: hash,
  envelope,
}: SignedPolicy<PolicyText>): SqlStatement {
  const { name, version, timeMs, author, comment } = document
  return {
    sql: `INSERT INTO policy_versions (name, version, time_ms, author, comment, sha256, envelope) VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (name, version) DO NOTHING`,
    params: [name, version, timeMs, author, comment, base64url(hash), envelope],
    expect: 1,
    what: `version ${version} of policy \`${name}\``,
  }
}

/** Puts another signature over the same version. */
export function signedAgainStatement({ document, envelope }: SignedPolicy<PolicyText>): SqlStatement {
  return {
    sql: 'UPDATE policy_versions SET envelope = ? WHERE name = ? AND version = ?',
    params: [envelope, document.name, document.version],
    expect: 1,
    what: 'a policy version',
  }
}

/** Keeps a rollout. */
export function rolloutStatement({
  document,
  sha256: hash,
  envelope,
}: SignedPolicy<PolicyRollout>): SqlStatement {
  const { policy, number, timeMs } = document
  return {
    sql: `INSERT INTO policy_rollouts (name, number, time_ms, sha256, envelope) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT (name, number) DO NOTHING`,
    params: [policy, number, timeMs, base64url(hash), envelope],
    expect: 1,
    what: `the rollout of policy \`${policy}\``,
  }
}

/** A document with its signature, ready to be kept. */
export function signedPolicy<Document>(document: Document, envelope: Envelope): SignedPolicy<Document> {
  return { document, sha256: sha256(envelope.payload), envelope: formatEnvelope(envelope) }
}

/** The newest rollout of each policy. */
export async function readNewestRollouts(sql: Sql): Promise<readonly SignedPolicy<PolicyRollout>[]> {
  const rows = await sql.query(
    `SELECT * FROM policy_rollouts r
     WHERE number = (SELECT MAX(number) FROM policy_rollouts WHERE name = r.name) ORDER BY name`,
  )
  return rows.map((row) => rolloutOf(row))
}

/** The rollouts of a policy, newest first. */
export async function readRollouts(
  sql: Sql,
  name: string,
  limit: number,
): Promise<readonly SignedPolicy<PolicyRollout>[]> {
  const rows = await sql.query('SELECT * FROM policy_rollouts WHERE name = ? ORDER BY number DESC LIMIT ?', [
    name,
    limit,
  ])
  return rows.map((row) => rolloutOf(row))
}

/** The rollouts of all policies in a span of time, in order; the first `limit` of them. */
export async function readRolloutsBetween(
  sql: Sql,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  limit: number,
): Promise<readonly SignedPolicy<PolicyRollout>[]> {
  const rows = await sql.query(
    'SELECT * FROM policy_rollouts WHERE time_ms >= ? AND time_ms <= ? ORDER BY time_ms, name, number LIMIT ?',
    [fromMs, untilMs, limit],
  )
  return rows.map((row) => rolloutOf(row))
}

/** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
export async function readRollout(
  sql: Sql,
  name: string,
  number: number,
): Promise<SignedPolicy<PolicyRollout>> {
  const [row] = await sql.query('SELECT * FROM policy_rollouts WHERE name = ? AND number = ?', [name, number])
  if (row === undefined)
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `rollout ${number} of policy \`${name}\`` })
  return rolloutOf(row)
}

/** The versions of a policy, newest first. */
export async function readVersions(sql: Sql, name: string, limit: number): Promise<readonly VersionRow[]> {
  const rows = await sql.query(
    `SELECT version, time_ms, author, comment, sha256 FROM policy_versions WHERE name = ? ORDER BY version DESC LIMIT ?`,
    [name, limit],
  )
  return rows.map((row) => ({
    version: row['version'] as number,
    timeMs: row['time_ms'] as number,
    author: row['author'] as string,
    comment: row['comment'] as string,
    sha256: row['sha256'] as string,
  }))
}

/** One version, or `undefined`. */
export async function findVersion(
  sql: Sql,
  name: string,
  version: number,
): Promise<SignedPolicy<PolicyText> | undefined> {
  const [row] = await sql.query('SELECT * FROM policy_versions WHERE name = ? AND version = ?', [
    name,
    version,
  ])
  if (row === undefined) return undefined
  const envelope = row['envelope'] as string
  const hash = parseBase64url(row['sha256'] as string)
  return { document: parsePolicyText(parseEnvelope(envelope).payload), sha256: hash, envelope }
}

function rolloutOf(row: SqlRow): SignedPolicy<PolicyRollout> {
  const envelope = row['envelope'] as string
  const hash = parseBase64url(row['sha256'] as string)
  return { document: parsePolicyRollout(parseEnvelope(envelope).payload), sha256: hash, envelope }
}
