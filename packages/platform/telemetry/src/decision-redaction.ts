import { createHmac } from 'node:crypto'
import type { FactName, FactValue, Facts } from '@quantum-ip/policy'
import { snapshotFacts } from '@quantum-ip/policy/deciding'
import type { DecisionRecord } from './decision-record.ts'
import type { RecordedFacts } from './recorded-facts.ts'

/** What can be left out of decision records. */
export const redactableFields = [
  'subject',
  'claimedSubject',
  'build',
  'token',
  'attestation',
  'traceId',
  'chain',
  'method',
  'route',
  'source',
  'builder',
  'revision',
  'host',
  'path',
  'mtls',
  'jwt',
] as const

/** One of {@link redactableFields}. */
export type RedactableField = (typeof redactableFields)[number]

/** What becomes of a field: nothing of it is kept, or a keyed hash, by which the same value is known again. */
export type RedactionMethod = 'drop' | 'hash'

/** What records are kept without. */
export interface RedactionOptions {
  readonly fields: ReadonlyMap<RedactableField, RedactionMethod>
  /** 32 bytes: whoever has them can find out what was hashed by trying. Needed where something is hashed. */
  readonly hashKey?: Uint8Array | undefined
}

type Change = (text: string) => string | null

interface Place {
  /** The facts that say it. */
  readonly facts: readonly FactName[]
  /** Where it stands in a record besides. */
  readonly record?: (record: DecisionRecord, change: Change) => Partial<DecisionRecord>
}

const places: Readonly<Record<RedactableField, Place>> = {
  subject: {
    facts: ['identity', 'identity.trustDomain'],
    record: ({ subject }, change) => ({ subject: subject === null ? null : change(subject) }),
  },
  claimedSubject: {
    facts: [],
    record: ({ claimedSubject: claimed }, change) => ({
      claimedSubject: claimed === null ? null : change(claimed),
    }),
  },
  build: {
    facts: ['build'],
    record({ build }, change) {
      const digest = build === null ? null : change(build.digest)
      return { build: build === null || digest === null ? null : { ...build, digest: hexOf(digest) } }
    },
  },
  // Names of log entries, which no hash is known again by.
  token: { facts: [], record: () => ({ token: null }) },
  attestation: { facts: [], record: () => ({ attestation: null }) },
  traceId: {
    facts: [],
    record({ traceId }, change) {
      const changed = traceId === null ? null : change(traceId)
      return { traceId: changed === null ? null : hexOf(changed).slice(0, 32) }
    },
  },
  chain: { facts: ['identity.chain'] },
  method: { facts: ['request.method'] },
  route: { facts: ['request.route'] },
  source: { facts: ['build.source'] },
  builder: { facts: ['build.builder'] },
  revision: { facts: ['build.revision'] },
  host: { facts: ['request.host'] },
  path: { facts: ['request.path'] },
  mtls: { facts: ['request.mtls'] },
  jwt: { facts: ['request.jwt', 'request.jwt.issuer'] },
}

const hashPrefix = 'hmac:'

/** The facts that say what a field says. */
export function factsOfField(field: RedactableField): readonly FactName[] {
  return places[field].facts
}

/** Leaves out of records, and of facts that are kept in memory, what nobody is to keep. */
export class DecisionRedaction {
  readonly #fields: readonly (readonly [RedactableField, Change])[]

  /** @throws {TypeError} if something is to be hashed and there is no key */
  constructor({ fields, hashKey }: RedactionOptions) {
    this.#fields = [...fields].map(([field, method]) => [field, changeFor(method, hashKey)])
  }

  /** The record without what is left out, or with its hash. */
  record(record: DecisionRecord): DecisionRecord {
    if (this.#fields.length === 0) return record
    const redacted: { -readonly [Name in keyof DecisionRecord]: DecisionRecord[Name] } = { ...record }
    for (const [field, change] of this.#fields) {
      const { facts, record: of } = places[field]
      if (of !== undefined) Object.assign(redacted, of(redacted, change))
      if (facts.some((name) => redacted.facts[name] !== undefined))
        redacted.facts = changed(redacted.facts, facts, change)
    }
    return redacted
  }

  /** All facts, likewise: those left out are at what stands for nothing. */
  facts(facts: Facts): Facts {
    if (this.#fields.length === 0) return facts
    const redacted: RecordedFacts = { ...snapshotFacts(facts) }
    for (const [field, change] of this.#fields)
      Object.assign(redacted, blank(redacted, places[field].facts, change))
    return redacted as unknown as Facts
  }
}

function changed(facts: RecordedFacts, names: readonly FactName[], change: Change): RecordedFacts {
  const kept: Partial<Record<FactName, FactValue>> = { ...facts }
  for (const name of names) {
    const value = changeValue(facts[name], change)
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0))
      delete kept[name]
    else kept[name] = value
  }
  return kept
}

function blank(facts: RecordedFacts, names: readonly FactName[], change: Change): RecordedFacts {
  const entries = names.map((name) => {
    const value = changeValue(facts[name], change)
    // A text that is never null is empty where there is nothing.
    const isText = typeof facts[name] === 'string'
    return [
      name,
      value ??
        (isText && ['request.method', 'request.host', 'request.path', 'request.route'].includes(name)
          ? ''
          : null),
    ]
  })
  return Object.fromEntries(entries) as RecordedFacts
}

function changeValue(value: FactValue | undefined, change: Change): FactValue | undefined {
  if (typeof value === 'string') return value === '' ? value : change(value)
  if (!Array.isArray(value)) return value
  return (value as readonly string[]).map((each) => change(each)).filter((each) => each !== null)
}

function changeFor(method: RedactionMethod, hashKey: Uint8Array | undefined): Change {
  if (method === 'drop') return () => null
  if (hashKey === undefined) throw new TypeError('a hash needs its key')
  return (text) => `${hashPrefix}${createHmac('sha256', hashKey).update(text).digest('hex')}`
}

// What has to be hexadecimal to be found stays so.
function hexOf(text: string): string {
  return text.startsWith(hashPrefix) ? text.slice(hashPrefix.length) : text
}
