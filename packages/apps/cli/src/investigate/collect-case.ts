import { setTimeout as sleep } from 'node:timers/promises'
import { isQipError, type JsonObject } from '@quantum-ip/base'
import { openLedger, requestJson, type Requester } from '@quantum-ip/client'
import type { RevocationRecord, RootPins, TrustStore } from '@quantum-ip/trust'
import type { KemPrivateKey } from '@quantum-ip/crypto'
import { sliceEntryBundle } from '@quantum-ip/log'
import { proverAt } from '../lib/log-reader.ts'
import type { Case, CasePart, Missing, PartKind } from './case-file.ts'
import { type CaseTrust, verifyCaseTrust } from './case-trust.ts'
import { collectDecisions, decisionQueryOf, type DecisionSpan, tokenPlaces } from './collect-decisions.ts'
import { openIssued, type TokenToOpen } from './collect-issued.ts'
import { collectTrust, fetchPart } from './collect-trust.ts'
import { noDecisions, readDecisions } from './decisions-part.ts'
import { formatEntry } from './examine-entry.ts'
import { formatWholeLog, wholeLogMax } from './examine-log.ts'
import { numberAt, objectsAt, textAt } from './facts.ts'
import { type Focus, type FocusToken, focusOf, listedWithinMs, matchesFocus } from './focus.ts'
import type { Subject } from './subject.ts'

/** What is collected, and for whom. */
export interface CollectOptions extends DecisionSpan {
  readonly requester: Requester
  readonly pins: RootPins
  readonly trustDomain: string
  readonly pinned: string
  /** The record of the decision that is the subject, where an enforcement point had it. */
  readonly record?: JsonObject | undefined
  /** The evidence file that came with a build. */
  readonly evidence?: string | undefined
  /** The custodian's key, which opens what tokens were issued for. */
  readonly recordKey?: KemPrivateKey | undefined
  readonly nowMs: number
  readonly progress: (text: string) => void
}

const buildsMax = 16
/** States are signed every five seconds at least. */
const statesMax = 24
const proofsMax = 4

/**
 * Collects all that the authority can tell about a subject: signed documents, attestations with their proofs, what was reported,
 * and proofs for tokens that were used. What cannot be had is noted, and is no error: an investigation says what it lacks.
 *
 * @throws {ClientError} · {@link TrustError} if the signed documents cannot be had or do not hold: then nothing can be said
 */
export async function collectCase(subject: Subject, options: CollectOptions): Promise<Case> {
  const { requester, pins, progress } = options
  progress('root, bundle, state and revocations')
  const signed = await collectTrust(requester)
  const start: Case = {
    subject,
    trustDomain: options.trustDomain,
    collectedMs: options.nowMs,
    sinceMs: options.sinceMs,
    untilMs: options.untilMs,
    pinned: options.pinned,
    parts: signed,
    missing: [],
  }
  const collector = new Collector(options, start, await verifyCaseTrust(start, pins))
  await collector.collect(subject, options)
  return { ...start, parts: [...collector.signed, ...collector.parts], missing: collector.missing }
}

class Collector {
  readonly parts: CasePart[] = []
  readonly missing: Missing[] = []
  readonly #requester: Requester
  readonly #pins: RootPins
  readonly #recordKey: KemPrivateKey | undefined
  readonly #start: Case
  /** The signed documents, the newest that were asked for. */
  signed: readonly CasePart[]
  #store: TrustStore
  #revocations: readonly RevocationRecord[]
  #focus: Focus = { builds: [], services: [], keys: [], tokens: [] }

  constructor(
    { requester, pins, recordKey }: CollectOptions,
    start: Case,
    { store, revocations }: CaseTrust,
  ) {
    this.#requester = requester
    this.#pins = pins
    this.#recordKey = recordKey
    this.#start = start
    this.signed = start.parts
    this.#store = store
    this.#revocations = revocations
  }

  async collect(subject: Subject, options: CollectOptions): Promise<void> {
    const { progress, evidence, record } = options
    progress('keys and members')
    const keys = await this.#fetch({ kind: 'keys', name: 'keys', target: '/v1/keys' }, 'the keys')
    await this.#fetch({ kind: 'fleet', name: 'fleet', target: '/v1/fleet' }, 'the fleet')
    const said = await this.#subjectRecord(subject, keys, record)
    this.#focus = focusOf(subject, {
      records: said === undefined ? [] : [said],
      decisions: noDecisions,
      sessions: [],
    })
    await this.#fetch(
      { kind: 'incidents', name: 'incidents', target: '/v1/incidents?limit=1000' },
      'the incidents',
    )
    await this.#awaitState(subject, progress)
    progress('decisions')
    const decisions = await this.#decisions(subject, logsOf(keys, this.#focus), options)
    progress('sessions, acts and events')
    await this.#context(subject, decisions)
    if (evidence !== undefined) this.parts.push({ kind: 'evidence', name: 'evidence-given', text: evidence })
    await this.#refused(subject, options)
    progress('attestations')
    for (const build of this.#focus.builds.slice(0, buildsMax)) await this.#attestations(build)
    await this.#ofBuilder(subject, said)
    if (this.#focus.builds.length > 0 && !this.parts.some(({ kind }) => kind === 'evidence'))
      await this.#wholeLogs()
    if (this.#focus.builds.length > buildsMax)
      this.#lack('attestations', `of the first ${buildsMax} builds only`)
    progress('proofs that tokens were issued')
    await this.#entries(subject, decisions ?? {})
  }

  /** A token is logged before it is handed out, and listed by a state up to a second later: that one is waited for. */
  async #awaitState({ claims }: Subject, progress: CollectOptions['progress']): Promise<void> {
    // Of a token that says when it was issued it is known when it had been listed at the latest; otherwise the next state will do.
    const surelyMs =
      claims === undefined ? (this.#store.state?.timeMs ?? 0) : claims.iat * 1_000 + listedWithinMs
    const isBeyond = ({ log, index }: FocusToken) =>
      log !== undefined && index !== undefined && index >= Math.max(0, this.#store.logSize(log))
    for (let turn = 0; turn < statesMax && this.#focus.tokens.some((token) => isBeyond(token)); turn++) {
      if ((this.#store.state?.timeMs ?? 0) > surelyMs) return
      progress('a signed state that is younger than the token')
      await sleep(500)
      this.signed = await collectTrust(this.#requester)
      const trust = await verifyCaseTrust({ ...this.#start, parts: this.signed }, this.#pins)
      this.#store = trust.store
      this.#revocations = trust.revocations
    }
  }

  /** What names the subject: the record of a decision, the key itself, what an identifier stands for, the log of a token. */
  async #subjectRecord(
    { kind, value, claims }: Subject,
    keys: JsonObject | undefined,
    record: JsonObject | undefined,
  ): Promise<JsonObject | undefined> {
    const rows = keys === undefined ? [] : objectsAt(keys, 'keys')
    switch (kind) {
      case 'decision': {
        if (record !== undefined) return this.#say(record)
        return this.#fetch(
          { kind: 'subject', name: 'subject', target: `/v1/decisions/${encodeURIComponent(value)}` },
          'the record of the decision',
        )
      }
      case 'identifier':
        return this.#fetch(
          { kind: 'subject', name: 'subject', target: `/v1/identifiers/${encodeURIComponent(value)}` },
          'what the identifier names',
        )
      case 'key':
        return this.#sayKey(rows, value)
      case 'token':
        return claims?.key === undefined ? undefined : this.#sayKey(rows, claims.key)
      case 'build':
      case 'service':
        return undefined
    }
  }

  #sayKey(rows: readonly JsonObject[], name: string): JsonObject | undefined {
    const found = rows.find((key) => textAt(key, 'kid') === name || textAt(key, 'keyId') === name)
    if (found !== undefined) return this.#say(found)
    this.#lack('the key', `this trust domain has none that is called \`${name}\``)
    return undefined
  }

  #say(json: JsonObject): JsonObject {
    this.parts.push({ kind: 'subject', name: 'subject', text: JSON.stringify(json) })
    return json
  }

  async #decisions(
    subject: Subject,
    logs: readonly string[],
    span: DecisionSpan,
  ): Promise<JsonObject | undefined> {
    const query = decisionQueryOf(subject, this.#focus, logs)
    if (query === undefined) {
      this.#lack(
        'decisions',
        'they are found by build, service, token log and place of a token (tokens/<n>/<index>)',
      )
      return undefined
    }
    try {
      const json = await collectDecisions(this.#requester, query, span)
      this.parts.push({ kind: 'decisions', name: 'decisions', text: JSON.stringify(json) })
      return json
    } catch (error) {
      this.#lack('decisions', reasonOf(error))
      return undefined
    }
  }

  // What is revoked is refused before its proof is looked at: such a decision names no build and no caller, only the reason.
  async #refused(subject: Subject, span: DecisionSpan): Promise<void> {
    const about = this.#revocations.filter((record) => matchesFocus(record, this.#focus, []))
    const [first] = about.toSorted((a, b) => a.epoch - b.epoch)
    if (first === undefined) return
    const reason = [...new Set(about.map(({ kind }) => refusalOf[kind]))].join(',')
    const sinceMs = Math.max(first.time * 1_000, span.sinceMs ?? 0)
    try {
      const json = await collectDecisions(this.#requester, { reason }, { ...span, sinceMs })
      this.parts.push({ kind: 'decisions', name: 'decisions-refused', text: JSON.stringify(json) })
    } catch (error) {
      this.#lack(
        `what was refused since ${subject.kind === 'build' ? 'its' : 'the'} revocation`,
        reasonOf(error),
      )
    }
  }

  async #context(subject: Subject, decisions: JsonObject | undefined): Promise<void> {
    const { builds, services, keys, tokens } = this.#focus
    const logs = tokens.flatMap(({ log }) => log ?? [])
    const about = [...new Set([...builds, ...services, ...keys, ...logs])].slice(0, 32).join(',')
    const target = `/v1/investigations/context?about=${encodeURIComponent(about === '' ? subject.value : about)}`
    const context = await this.#fetch(
      { kind: 'context', name: 'context', target },
      'sessions, acts and events',
    )
    const sessions = context === undefined ? [] : objectsAt(context, 'sessions')
    const said = this.parts
      .filter(({ kind }) => kind === 'subject')
      .map(({ text }) => JSON.parse(text) as JsonObject)
    const read = readDecisions(decisions ?? {})
    this.#focus = focusOf(subject, { records: said, decisions: read, sessions })
  }

  async #attestations(build: string): Promise<void> {
    const answer = await this.#ask(
      `/v1/attestations?build=${build}`,
      `the attestations of build ${build.slice(0, 12)}…`,
    )
    this.#addEvidence(objectsAt(answer ?? {}, 'attestations'))
  }

  #addEvidence(attestations: readonly JsonObject[]): void {
    for (const attestation of attestations) {
      const name = `evidence-${numberAt(attestation, 'log') ?? 0}-${numberAt(attestation, 'index') ?? 0}`
      const text = textAt(attestation, 'evidence')
      if (text !== undefined && !this.parts.some((part) => part.name === name))
        this.parts.push({ kind: 'evidence', name, text })
    }
  }

  /** What a builder's key may have signed. */
  async #ofBuilder({ kind }: Subject, key: JsonObject | undefined): Promise<void> {
    if (kind !== 'key' || key === undefined || textAt(key, 'use') !== 'qip-build') return
    const name = textAt(key, 'name') ?? ''
    const target = `/v1/investigations/attestations?builder=${encodeURIComponent(name)}`
    const answer = await this.#ask(target, 'the attestations of the builder')
    this.#addEvidence(objectsAt(answer ?? {}, 'attestations'))
    if (answer?.['more'] === true)
      this.#lack('older attestations of the builder', 'only the newest are listed')
  }

  /** That nothing is logged is the registry's word, unless the log is read whole. */
  async #wholeLogs(): Promise<void> {
    for (const [origin, { size }] of this.#store.state?.logs ?? []) {
      if (!origin.includes('/attestations/')) continue
      if (size > wholeLogMax) {
        this.#lack(
          `whether ${origin} has an entry that the registry does not tell`,
          `it has ${size} entries: \`qip ledger verify\` reads it whole`,
        )
        continue
      }
      try {
        const contents = openLedger(this.#requester, { origin, logKeys: [] }).contents()
        const bundles: Uint8Array[] = []
        for (let index = 0; index * 256 < size; index++) {
          const width = Math.min(256, size - index * 256)
          bundles.push(sliceEntryBundle(await contents.readEntries({ index, width }), 0, width))
        }
        const name = `log-${origin.slice(origin.lastIndexOf('/') + 1)}`
        this.parts.push({
          kind: 'log',
          name,
          text: formatWholeLog({ origin, size, entries: Buffer.concat(bundles) }),
        })
      } catch (error) {
        this.#lack(`the whole of ${origin}`, reasonOf(error))
      }
    }
  }

  async #entries({ kind }: Subject, decisions: JsonObject): Promise<void> {
    const own = this.#focus.tokens.flatMap(({ log, index }) =>
      log === undefined || index === undefined ? [] : [{ log, index }],
    )
    const places: { log: string; index: number }[] =
      kind === 'token' || kind === 'decision'
        ? [...own, ...tokenPlaces(decisions, 1)]
        : [...tokenPlaces(decisions, proofsMax)]
    const refused = this.parts.find(({ name }) => name === 'decisions-refused')
    // Such a decision names no build: whether its token was of this one, only the sealed record says.
    if (refused !== undefined) places.push(...tokenPlaces(JSON.parse(refused.text) as JsonObject, proofsMax))
    const once = new Map(places.map((place) => [`${place.log}/${place.index}`, place]))
    for (const { log, index } of once.values()) await this.#entry(log, index)
  }

  async #entry(origin: string, index: number): Promise<void> {
    const what = `the proof of token ${index} of ${origin}`
    const head = this.#store.logHead(origin)
    if (head === undefined) return this.#lack(what, 'the signed state does not list this log any more')
    if (index >= head.size) return this.#lack(what, `the log has ${head.size} entries`)
    const { size, hash } = head
    try {
      const contents = openLedger(this.#requester, { origin, logKeys: [] }).contents()
      const { entry, proof } = await proverAt(contents, { origin, size, root: hash })(index)
      const name = `entry-${origin.slice(origin.lastIndexOf('/') + 1)}-${index}`
      this.parts.push({ kind: 'entry', name, text: formatEntry({ origin, index, size, entry, proof }) })
      await this.#issued({ origin, index, entry })
    } catch (error) {
      this.#lack(what, reasonOf(error))
    }
  }

  async #issued(token: TokenToOpen): Promise<void> {
    if (this.#recordKey === undefined) return
    const opened = await openIssued(this.#requester, this.#recordKey, token)
    const place = `${token.origin.slice(token.origin.lastIndexOf('/') + 1)}-${token.index}`
    if (typeof opened === 'string')
      this.#lack(`the sealed record of token ${token.index} of ${token.origin}`, opened)
    else this.parts.push({ kind: 'issued', name: `issued-${place}`, text: JSON.stringify(opened) })
  }

  async #fetch(
    part: { readonly kind: PartKind; readonly name: string; readonly target: string },
    what: string,
  ): Promise<JsonObject | undefined> {
    try {
      const { json, ...fetched } = await fetchPart(this.#requester, part)
      this.parts.push(fetched)
      return json
    } catch (error) {
      this.#lack(what, reasonOf(error))
      return undefined
    }
  }

  async #ask(target: string, what: string): Promise<JsonObject | undefined> {
    try {
      return (await requestJson(this.#requester, {
        operation: what,
        method: 'GET',
        target,
        answerBytesMax: 64 * 1_048_576,
      })) as JsonObject
    } catch (error) {
      this.#lack(what, reasonOf(error))
      return undefined
    }
  }

  #lack(what: string, reason: string): void {
    this.missing.push({ what, reason })
  }
}

/** The reason of a verdict by the kind of a revocation. */
const refusalOf: Readonly<Record<RevocationRecord['kind'], string>> = {
  key: 'key_revoked',
  identity: 'identity_revoked',
  build: 'build_revoked',
  token: 'token_revoked',
  range: 'token_revoked',
}

function logsOf(keys: JsonObject | undefined, { keys: kids }: Focus): readonly string[] {
  if (keys === undefined) return []
  return objectsAt(keys, 'keys')
    .filter((key) => kids.includes(textAt(key, 'kid') ?? ''))
    .flatMap((key) => textAt(key, 'log') ?? [])
}

/** What an authority does not tell is lacking; what is a defect of ours is not hidden. */
function reasonOf(error: unknown): string {
  if (isQipError(error)) return error.message
  throw error
}
