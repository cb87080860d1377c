import { type JsonObject, parseBase64 } from '@quantum-ip/base'
import { openAdmissionRecord, openIssuanceRecord, type OpenedToken } from '@quantum-ip/authority'
import { type AnswerReader, requestObject, type Requester } from '@quantum-ip/client'
import { type KemPrivateKey, parsePrivateKemJwk } from '@quantum-ip/crypto'
import { claimsToJson } from '@quantum-ip/token'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { malformedAs, readJson } from '../lib/files.ts'
import type { VerifiedLog } from '../lib/log-reader.ts'
import type { LogChoice } from '../lib/open-log.ts'
import { type Output, tone } from '../lib/output.ts'
import { claimRows } from '../lib/token-report.ts'

/** The options of `qip ledger open`. */
export interface OpenOptions extends LogChoice {
  readonly keyFile: string
  readonly showSecret?: boolean
}

/** Opens the record of one logged token with the custodian's key, here: the key is sent nowhere. */
export async function openRecord(
  output: Output,
  log: VerifiedLog,
  { index, options }: { readonly index: number; readonly options: OpenOptions },
): Promise<Outcome> {
  const key = await readRecordKey(options.keyFile)
  const { origin } = log.checkpoint
  const number = Number(origin.slice(origin.lastIndexOf('/') + 1))
  const { entry } = await log.prove(index)
  await using asked = await askAuthority(options)
  const record = await fetchRecord(asked.requester, `/v1/issuance-records/${number}/${index}`)
  checkKey(key, record)
  const sealed = parseBase64(record.text('sealed'))
  const place = { origin, log: number, index, first: record.integer('first'), sealed, entry }
  const opened = await openIssuanceRecord(key, place)
  if (opened === undefined) throw new CliError('QIP_CLI_NOT_FOUND', { what: `token ${index} in its record` })
  const admission = await openAdmission(key, asked.requester, opened.session)
  show(output, { origin, index, opened, admission }, options.showSecret === true)
  return opened.isLogged ? 'ok' : 'no'
}

/** The key custodian's private key. @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED` */
export async function readRecordKey(path: string): Promise<KemPrivateKey> {
  const file = { path, what: 'private key', bytesMax: 65_536 }
  const jwk = await readJson(file)
  return malformedAs(file, () => parsePrivateKemJwk(jwk))
}

function fetchRecord(requester: Requester, target: string): Promise<AnswerReader> {
  return requestObject(requester, { operation: 'a sealed record', method: 'GET', target })
}

function checkKey({ publicKey }: KemPrivateKey, record: AnswerReader): void {
  const kid = record.text('kid')
  if (kid === publicKey.kid) return
  throw new CliError('QIP_CLI_USAGE', {
    reason: `the record is sealed to the key \`${kid}\`, and this one is \`${publicKey.kid}\``,
    next: 'name the file of that key with --key-file',
  })
}

async function openAdmission(
  key: KemPrivateKey,
  requester: Requester,
  session: string,
): Promise<JsonObject | undefined> {
  const target = `/v1/admission-records/${encodeURIComponent(session)}`
  // The tokens of a session may outlast the record of its admission, never by much.
  const record = await fetchRecord(requester, target).catch(() => undefined)
  return record && openAdmissionRecord(key, { session, sealed: parseBase64(record.text('sealed')) })
}

interface Shown {
  readonly origin: string
  readonly index: number
  readonly opened: OpenedToken
  readonly admission: JsonObject | undefined
}

function show(output: Output, { origin, index, opened, admission }: Shown, showSecret: boolean): void {
  const { session, form, claims, isLogged } = opened
  const { jti, ...said } = claimsToJson(claims)
  const json: JsonObject = {
    log: origin,
    index,
    isLogged,
    form,
    session,
    claims: showSecret ? { ...said, jti: jti ?? null } : said,
    admission: admission ?? null,
  }
  output.show(json, () => {
    output.line(
      isLogged ? tone('good', 'holds') : tone('bad', 'does not fit'),
      isLogged
        ? `the hash at ${index} of ${origin} opens to these claims`
        : `the hash at ${index} of ${origin} is of something else than this record says`,
    )
    output.facts(claimRows(claims, { nowMs: Date.now(), showSecret }).map(({ name, value }) => [name, value]))
    output.line(tone('strong', 'on this evidence'))
    output.facts([
      ['session', session],
      ...Object.entries(admission ?? { admission: 'its record is not there any more' }).map(
        ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
      ),
    ])
  })
}
