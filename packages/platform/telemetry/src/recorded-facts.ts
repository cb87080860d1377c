import { trustDomainOf } from '@quantum-ip/base'
import type { FactName, FactValue, Facts } from '@quantum-ip/policy'
import { factNames, factRow } from '@quantum-ip/policy/deciding'
import type { DecisionRecord } from './decision-record.ts'

/** Facts as a record keeps them: those that it does not say elsewhere, and that are not at their default. */
export type RecordedFacts = Readonly<Partial<Record<FactName, FactValue>>>

/** Facts that may identify people: never in the open part of a record. */
export const personalFacts: readonly FactName[] = [
  'request.host',
  'request.path',
  'request.mtls',
  'request.jwt',
  'request.jwt.issuer',
]

/** The facts of a recorded decision. */
export interface FactsOfRecord {
  readonly facts: Facts
  /** Facts that nobody recorded. They are at their default in `facts`: a condition that reads one cannot be judged. */
  readonly missing: readonly FactName[]
}

type Source = (record: DecisionRecord) => FactValue

// What the record says in fields of its own is not written twice.
const fields: Readonly<Partial<Record<FactName, Source>>> = {
  'verdict.status': ({ status }) => status,
  'verdict.reason': ({ reason }) => reason,
  'verdict.authenticated': ({ authenticated }) => authenticated,
  'verdict.deep': ({ deep }) => deep,
  'verdict.epoch': ({ epoch }) => epoch,
  'verdict.provisionalHead': ({ head }) => head !== null,
  identity: ({ subject }) => subject,
  'identity.trustDomain': ({ subject }) => (subject === null ? null : trustDomainOf(subject)),
  build: ({ build }) => build?.digest ?? null,
  'build.binding': ({ build }) => build?.evidence ?? null,
  'env.point': ({ point }) => point,
  'env.region': ({ region }) => region,
  'env.service': ({ service }) => service,
  'env.mode': ({ mode }) => mode,
}

const personal = new Set<FactName>(personalFacts)
const kept = factNames.filter((name) => fields[name] === undefined && !personal.has(name))

/** The part of the facts that belongs into a record: compact, and without what may identify people. */
export function recordedFacts(facts: Facts): RecordedFacts {
  const recorded: Partial<Record<FactName, FactValue>> = {}
  for (const name of kept) {
    const value: FactValue = facts[name]
    if (!isDefault(name, value)) recorded[name] = value
  }
  return recorded
}

/** The facts that may identify people, as far as there are any: what a record has only sealed, or not at all. */
export function personalFactsOf(facts: Facts): RecordedFacts {
  const found: Partial<Record<FactName, FactValue>> = {}
  for (const name of personalFacts) {
    const value: FactValue = facts[name]
    if (!isDefault(name, value)) found[name] = value
  }
  return found
}

/**
 * The facts that a record was decided on, to decide again: `opened` are those of its sealed part, if somebody could open it.
 */
export function factsOfRecord(record: DecisionRecord, opened?: RecordedFacts): FactsOfRecord {
  const facts: Partial<Record<FactName, FactValue>> = {}
  const missing: FactName[] = []
  // A record of an earlier version has none.
  const recorded = record.facts as RecordedFacts | undefined
  for (const name of factNames) {
    const source = personal.has(name) ? opened : recorded
    const field = fields[name]
    if (field === undefined && source === undefined) missing.push(name)
    facts[name] = field === undefined ? (source?.[name] ?? defaultOf(name)) : field(record)
  }
  return { facts: facts as unknown as Facts, missing }
}

function defaultOf(name: FactName): FactValue {
  const { nullable, type } = factRow(name)
  if (nullable) return null
  return { bool: false, int: 0, string: '', list: [] }[type]
}

function isDefault(name: FactName, value: FactValue): boolean {
  if (Array.isArray(value)) return value.length === 0
  return value === defaultOf(name)
}
