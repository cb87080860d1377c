import { createHash } from 'node:crypto'
import { type Json, type JsonObject, parseJson } from '@quantum-ip/base'
import { isObject } from '../lib/json.ts'
import { type Subject, type SubjectKind, subjectKinds } from './subject.ts'

/** What the parts of a case are, in the order in which they are written. */
export const partKinds = [
  'root',
  'bundle',
  'state',
  'revocations',
  'evidence',
  'entry',
  'log',
  'issued',
  'subject',
  'context',
  'decisions',
  'keys',
  'fleet',
  'incidents',
] as const

/** A kind of {@link partKinds}. */
export type PartKind = (typeof partKinds)[number]

/** Something that was collected, as it came: the text of an answer or document. */
export interface CasePart {
  readonly kind: PartKind
  /** Unique in its case: `evidence-1-17`. */
  readonly name: string
  readonly text: string
}

/** Something that was asked for and did not come. */
export interface Missing {
  readonly what: string
  readonly reason: string
}

/** All that was collected about a subject. What it proves, and what it only says, is for {@link examineCase} to tell. */
export interface Case {
  readonly subject: Subject
  readonly trustDomain: string
  /** Milliseconds since 1970, by the clock of whoever collected. */
  readonly collectedMs: number
  /** The span that decisions were asked for. */
  readonly sinceMs: number | undefined
  readonly untilMs: number | undefined
  readonly parts: readonly CasePart[]
  readonly missing: readonly Missing[]
  /** Whose word the root keys were taken on when it was collected. */
  readonly pinned: string
}

const format = 'quantum-ip/case/v1'
const partsMax = 4_096

/** Why a file is no case. */
export class CaseMalformed extends Error {}

/*
 * {"format":"quantum-ip/case/v1","sha256":hex of the manifest's text,"manifest":{…,"parts":[{"kind","name","sha256"}]},"texts":[text]}
 *
 * Always spelled the same way: a reader spells again what it read, and refuses what is not the same. So each byte of the file is
 * either in a digest or fixed.
 */

/**
 * The text of a case file, and its digest, which names all of it: whoever notes the digest elsewhere can tell later that the file
 * is the same, also those parts that nobody signed.
 */
export function formatCase(investigated: Case): { readonly text: string; readonly digest: string } {
  const manifest = manifestText(investigated)
  const digest = digestOf(manifest)
  const texts = JSON.stringify(investigated.parts.map(({ text }) => text))
  return {
    text: `{"format":"${format}","sha256":"${digest}","manifest":${manifest},"texts":${texts}}\n`,
    digest,
  }
}

function manifestText({ parts, subject, missing, ...rest }: Case): string {
  const { trustDomain, collectedMs, sinceMs, untilMs, pinned } = rest
  return JSON.stringify({
    subject: subjectJson(subject),
    trustDomain,
    collectedMs,
    sinceMs: sinceMs ?? null,
    untilMs: untilMs ?? null,
    pinned,
    missing: missing.map(({ what, reason }) => ({ what, reason })),
    parts: parts.map(({ kind, name, text }) => ({ kind, name, sha256: digestOf(text) })),
  })
}

/** A subject as JSON. */
export function subjectJson({ kind, value, claims, as }: Subject): JsonObject {
  if (claims === undefined) return { kind, value, ...(as !== undefined && { as }) }
  const { sub, build, attestation, iat, exp, log, index, key } = claims
  return {
    kind,
    value,
    claims: {
      sub,
      build: build ?? null,
      attestation: attestation === undefined ? null : [...attestation],
      iat,
      exp,
      log: log ?? null,
      index: index ?? null,
      key: key ?? null,
    },
  }
}

/**
 * Reads a case file: whole, every part with its digest, spelled as {@link formatCase} spells it. What the parts say is not looked
 * at yet.
 *
 * @throws {CaseMalformed}
 */
export function parseCase(text: string): { readonly read: Case; readonly digest: string } {
  const json = objectOf(parsed(text), 'the file')
  if (json['format'] !== format) throw new CaseMalformed(`it is not \`${format}\``)
  const manifest = objectOf(json['manifest'], 'the manifest')
  const read = readManifest(manifest, listOf(json['texts'], 'the texts'))
  const again = formatCase(read)
  if (json['sha256'] !== again.digest)
    throw new CaseMalformed('the manifest has another digest: it was changed')
  if (text !== again.text) throw new CaseMalformed('a byte was changed: it is not spelled as it was written')
  return { read, digest: again.digest }
}

function readManifest(manifest: JsonObject, texts: readonly Json[]): Case {
  const rows = listOf(manifest['parts'], 'the parts')
  if (rows.length !== texts.length || rows.length > partsMax)
    throw new CaseMalformed(`it has ${texts.length} texts for ${rows.length} parts`)
  return {
    subject: readSubject(objectOf(manifest['subject'], 'the subject')),
    trustDomain: textOf(manifest['trustDomain'], 'the trust domain'),
    collectedMs: numberOf(manifest['collectedMs'], 'the time'),
    sinceMs: optional(manifest['sinceMs'], 'the beginning'),
    untilMs: optional(manifest['untilMs'], 'the end'),
    pinned: textOf(manifest['pinned'], 'the pins'),
    missing: listOf(manifest['missing'], 'what is missing').map((row) => {
      const { what, reason } = objectOf(row, 'what is missing')
      return { what: textOf(what, 'what is missing'), reason: textOf(reason, 'a reason') }
    }),
    parts: rows.map((row, at) => readPart(objectOf(row, 'a part'), textOf(texts[at], 'a text'))),
  }
}

function readPart({ kind, name, sha256 }: JsonObject, text: string): CasePart {
  const called = textOf(name, 'the name of a part')
  if (!(partKinds as readonly unknown[]).includes(kind))
    throw new CaseMalformed(`the part \`${called.slice(0, 64)}\` is of an unknown kind`)
  if (sha256 !== digestOf(text))
    throw new CaseMalformed(`the part \`${called.slice(0, 64)}\` has another digest: it was changed`)
  return { kind: kind as PartKind, name: called, text }
}

function readSubject({ kind, value, claims, as }: JsonObject): Subject {
  if (!(subjectKinds as readonly unknown[]).includes(kind))
    throw new CaseMalformed('the subject is of an unknown kind')
  const subject = {
    kind: kind as SubjectKind,
    value: textOf(value, 'the subject'),
    ...(as !== undefined && { as: textOf(as, 'the service') }),
  }
  if (claims === undefined) return subject
  const { sub, build, attestation, iat, exp, log, index, key } = objectOf(claims, 'the claims')
  const place = attestation === null ? undefined : listOf(attestation, 'the attestation')
  return {
    ...subject,
    claims: {
      sub: textOf(sub, 'the claims'),
      build: build === null ? undefined : textOf(build, 'the claims'),
      attestation: place && [numberOf(place[0], 'the claims'), numberOf(place[1], 'the claims')],
      iat: numberOf(iat, 'the claims'),
      exp: numberOf(exp, 'the claims'),
      log: log === null ? undefined : textOf(log, 'the claims'),
      index: optional(index, 'the claims'),
      key: key === null ? undefined : textOf(key, 'the claims'),
    },
  }
}

function parsed(text: string): Json {
  try {
    return parseJson(text)
  } catch {
    throw new CaseMalformed('it is no strict JSON')
  }
}

function objectOf(json: Json | undefined, what: string): JsonObject {
  if (json !== undefined && isObject(json)) return json
  throw new CaseMalformed(`${what} is no object`)
}

function listOf(json: Json | undefined, what: string): readonly Json[] {
  if (Array.isArray(json)) return json
  throw new CaseMalformed(`${what} is no list`)
}

function textOf(json: Json | undefined, what: string): string {
  if (typeof json === 'string') return json
  throw new CaseMalformed(`${what} is no text`)
}

function numberOf(json: Json | undefined, what: string): number {
  if (typeof json === 'number' && Number.isSafeInteger(json)) return json
  throw new CaseMalformed(`${what} is no number`)
}

function optional(json: Json | undefined, what: string): number | undefined {
  return json === null ? undefined : numberOf(json, what)
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
