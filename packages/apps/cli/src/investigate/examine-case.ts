import { type AdmissionRule, type AdmissionRuleText, parseAdmissionRules } from '@quantum-ip/attestation'
import { isQipError, type JsonObject, parseJson } from '@quantum-ip/base'
import type { RevocationRecord, RootPins, TrustStore } from '@quantum-ip/trust'
import { isObject } from '../lib/json.ts'
import type { Case, CasePart, PartKind } from './case-file.ts'
import { verifyCaseTrust } from './case-trust.ts'
import { type DecisionsFact, readDecisions } from './decisions-part.ts'
import { examineEntry, type FailingToken, type ProvenToken } from './examine-entry.ts'
import { examineWholeLog, type WholeLog } from './examine-log.ts'
import { type ExaminedAttestation, examineEvidence } from './examine-evidence.ts'
import { numberAt, objectsAt, textAt } from './facts.ts'
import { type Focus, focusOf, listedWithinMs, matchesFocus } from './focus.ts'

/** What a part is worth: everybody can check it again, or somebody said so. */
export type Standing = 'proven' | 'reported' | 'fails'

/** A part, and what came of looking at it. */
export interface ExaminedPart {
  readonly name: string
  readonly kind: PartKind
  readonly standing: Standing
  readonly note: string
}

/** What the parts of a case say, those that can be checked being checked. */
export interface Examined {
  readonly of: Case
  readonly focus: Focus
  readonly asOfMs: number
  readonly epoch: number
  readonly seq: number
  readonly parts: readonly ExaminedPart[]
  readonly attestations: readonly ExaminedAttestation[]
  readonly tokens: readonly ProvenToken[]
  readonly tokensFailing: readonly FailingToken[]
  /** What tokens were issued for, where the custodian's key opened it. */
  readonly issued: readonly JsonObject[]
  /** Attestation logs that were read whole. */
  readonly wholeLogs: readonly WholeLog[]
  /** Those that are about the subject, in order. */
  readonly revocations: readonly RevocationRecord[]
  readonly decisions: DecisionsFact
  /** What was refused as revoked since the revocation: such decisions name neither build nor caller. */
  readonly refusedSince: DecisionsFact
  /** Whether nothing else of its kind is revoked, so that such a refusal can be about nothing else. */
  readonly isOnlyRevoked: boolean
  readonly sessions: readonly JsonObject[]
  readonly keys: readonly JsonObject[]
  readonly events: readonly JsonObject[]
  readonly acts: readonly JsonObject[]
  readonly members: readonly JsonObject[]
  readonly incidents: readonly JsonObject[]
  /** Admission rules as the authority has them; `undefined` where nobody could be asked. */
  readonly rules: readonly AdmissionRule[] | undefined
}

/**
 * Looks at a case: verifies its signed documents from the pins on, then every part that proves something, and reads what the others
 * report. Asks nobody, so that it says the same on the machine where the case was collected and years later on another.
 *
 * @throws {TrustError} if the signed documents do not hold: then nothing is proven by the case
 */
export async function examineCase(investigated: Case, pins: RootPins): Promise<Examined> {
  const trust = await verifyCaseTrust(investigated, pins)
  const { store } = trust
  const read = reportedParts(investigated)
  const decisions = readDecisions(namedPart(investigated, 'decisions'))
  const contexts = read('context')
  const sessions = contexts.flatMap((context) => objectsAt(context, 'sessions'))
  const rules = rulesOf(contexts)
  const focus = focusOf(investigated.subject, { records: read('subject'), decisions, sessions })
  const attestations = await evidenceOf(investigated, { store, rules, focus })
  const entries = investigated.parts.filter(({ kind }) => kind === 'entry')
  const checked = entries.map(({ name, text }) => examineEntry(name, text, store))
  const tokens = checked.filter((entry): entry is ProvenToken => 'digest' in entry)
  const tokensFailing = [
    ...checked.filter((entry): entry is FailingToken => 'reason' in entry),
    ...beyondLogs(focus, {
      store,
      asOfMs: trust.asOfMs,
      issuedMs: surelyIssuedMs(investigated, read('subject')[0]),
    }),
  ]
  const wholeLogs = investigated.parts
    .filter(({ kind }) => kind === 'log')
    .flatMap(({ name, text }) => examineWholeLog(name, text, store) ?? [])
  const keys = read('keys').flatMap((answer) => objectsAt(answer, 'keys'))
  const whole = withSigners(focus, attestations, keys)
  const about = trust.revocations.filter((record) => matchesFocus(record, whole, tokens))
  const kinds = new Set(about.map(({ kind }) => kind))
  return {
    of: investigated,
    focus: whole,
    asOfMs: trust.asOfMs,
    epoch: store.epoch,
    seq: store.state?.seq ?? 0,
    parts: standings(investigated.parts, { attestations, tokensFailing, wholeLogs }),
    attestations,
    tokens,
    tokensFailing,
    issued: read('issued'),
    wholeLogs,
    revocations: about,
    decisions,
    refusedSince: readDecisions(namedPart(investigated, 'decisions-refused')),
    isOnlyRevoked: trust.revocations.every((record) => !kinds.has(record.kind) || about.includes(record)),
    sessions,
    keys,
    events: contexts.flatMap((context) => objectsAt(context, 'events')),
    acts: contexts.flatMap((context) => objectsAt(context, 'acts')),
    members: read('fleet').flatMap((answer) => objectsAt(answer, 'members')),
    incidents: read('incidents')
      .flatMap((answer) => objectsAt(answer, 'incidents'))
      .filter((incident) => isAbout(incident, whole, decisions)),
    rules,
  }
}

/** When a token had been listed at the latest, by the authority's clock; `undefined` where nothing says so. */
function surelyIssuedMs({ subject }: Case, record: JsonObject | undefined): number | undefined {
  if (subject.claims !== undefined) return subject.claims.iat * 1_000 + listedWithinMs
  const decided = subject.kind === 'decision' && record !== undefined ? numberAt(record, 'timeMs') : undefined
  return decided === undefined ? undefined : decided + clocksMs
}

/** Who reports a decision has a clock of his own. */
const clocksMs = 60_000

/**
 * Tokens that claim a place which their log does not have, according to a state that is surely younger than they are: a good token
 * that is a moment old must not be called stolen. Of a place alone nobody knows how old it claims to be.
 */
function beyondLogs(
  focus: Focus,
  {
    store,
    asOfMs,
    issuedMs,
  }: { readonly store: TrustStore; readonly asOfMs: number; readonly issuedMs: number | undefined },
): readonly FailingToken[] {
  if (issuedMs === undefined || asOfMs <= issuedMs) return []
  return focus.tokens.flatMap(({ log, index }) => {
    const head = log === undefined ? undefined : store.logHead(log)
    if (log === undefined || index === undefined || head === undefined || index < head.size) return []
    return [{ part: '', origin: log, index, reason: `the log has ${head.size} entries` }]
  })
}

/** An incident is about what it names: a service that was called or called, or the subject in its words. */
function isAbout(incident: JsonObject, focus: Focus, { groups }: DecisionsFact): boolean {
  const touched = new Set([
    ...focus.services,
    ...groups.flatMap(({ service, subject }) => [service, subject]),
  ])
  const named = Array.isArray(incident['services']) ? incident['services'] : []
  if (named.some((service) => typeof service === 'string' && touched.has(service))) return true
  const words = ['title', 'summary', 'rootCause'].map((name) => textAt(incident, name) ?? '').join(' ')
  return [...focus.builds, ...focus.keys].some((value) => words.includes(value.slice(0, 12)))
}

/** Reads the parts of a kind as objects; what is none counts as empty. */
function reportedParts({ parts }: Case): (kind: PartKind) => readonly JsonObject[] {
  return (kind) => parts.filter((part) => part.kind === kind).map(({ text }) => readObject(text))
}

function namedPart({ parts }: Case, name: string): JsonObject {
  return readObject(parts.find((part) => part.name === name)?.text ?? '{}')
}

function readObject(text: string): JsonObject {
  try {
    const json = parseJson(text)
    return isObject(json) ? json : {}
  } catch (error) {
    if (isQipError(error)) return {}
    throw error
  }
}

function rulesOf(contexts: readonly JsonObject[]): readonly AdmissionRule[] | undefined {
  const context = contexts.find((each) => 'rules' in each)
  if (context === undefined) return undefined
  const texts = objectsAt(context, 'rules').map((rule): AdmissionRuleText => {
    const level = numberAt(rule, 'slsaLevel')
    return {
      name: textAt(rule, 'name'),
      service: textAt(rule, 'service') ?? '',
      builder: textAt(rule, 'builder') ?? '',
      source: textAt(rule, 'source'),
      subject: textAt(rule, 'subject'),
      ref: textAt(rule, 'ref'),
      slsaLevel: level as AdmissionRuleText['slsaLevel'],
    }
  })
  try {
    return parseAdmissionRules(texts)
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

async function evidenceOf(
  { parts }: Case,
  from: {
    readonly store: TrustStore
    readonly rules: readonly AdmissionRule[] | undefined
    readonly focus: Focus
  },
): Promise<readonly ExaminedAttestation[]> {
  const { store, rules, focus } = from
  const [only] = focus.builds.length === 1 ? focus.builds : []
  const evidence = parts.filter(({ kind }) => kind === 'evidence')
  return Promise.all(
    evidence.map(({ name, text }) =>
      examineEvidence(text, { part: name, build: only, store, rules, services: focus.services }),
    ),
  )
}

/** The builders' keys that signed belong to what is looked into: a revocation of one is about the build, too. */
function withSigners(
  focus: Focus,
  attestations: readonly ExaminedAttestation[],
  keys: readonly JsonObject[],
): Focus {
  const signers = attestations.flatMap((each) => (each.holds ? each.signers : []))
  const builders = new Set(attestations.flatMap((each) => (each.holds ? [each.builder] : [])))
  const ofBuilders = keys
    .filter((key) => textAt(key, 'use') === 'qip-build' && builders.has(textAt(key, 'name') ?? ''))
    .flatMap((key) => textAt(key, 'kid') ?? [])
  const all = focus.keys.length > 0 ? focus.keys : [...signers, ...ofBuilders]
  return { ...focus, keys: [...new Set(all)] }
}

interface Outcomes {
  readonly attestations: readonly ExaminedAttestation[]
  readonly tokensFailing: readonly FailingToken[]
  readonly wholeLogs: readonly WholeLog[]
}

const provenNotes: Partial<Record<PartKind, string>> = {
  root: 'signed by the pinned root keys, or by a chain from them',
  bundle: 'signed by the bundle keys of the root document',
  state: 'signed by a feed key of the bundle',
  revocations: 'confirmed by the signed state',
}

function standings(parts: readonly CasePart[], outcomes: Outcomes): readonly ExaminedPart[] {
  return parts.map(({ name, kind }) => ({ name, kind, ...standingOf({ name, kind }, outcomes) }))
}

function standingOf(
  { name, kind }: Pick<CasePart, 'name' | 'kind'>,
  { attestations, tokensFailing, wholeLogs }: Outcomes,
): Pick<ExaminedPart, 'standing' | 'note'> {
  const note = provenNotes[kind]
  if (note !== undefined) return { standing: 'proven', note }
  if (kind === 'evidence') {
    const found = attestations.find(({ part }) => part === name)
    if (found?.holds === true)
      return {
        standing: 'proven',
        note: `logged at ${found.index} of ${found.origin}, signed by its builder`,
      }
    return { standing: 'fails', note: found?.reason ?? 'not examined' }
  }
  if (kind === 'entry') {
    const failing = tokensFailing.find(({ part }) => part === name)
    if (failing === undefined) return { standing: 'proven', note: 'in the tree that the signed state lists' }
    return { standing: 'fails', note: failing.reason }
  }
  if (kind === 'log') {
    const isWhole = wholeLogs.some(({ part }) => part === name)
    if (isWhole) return { standing: 'proven', note: 'every entry of the tree that the signed state lists' }
    return { standing: 'fails', note: 'these are not the entries of the tree that the signed state lists' }
  }
  return { standing: 'reported', note: 'as the authority or an enforcement point said; nobody signed it' }
}
