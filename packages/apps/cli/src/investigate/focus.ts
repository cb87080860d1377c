import type { JsonObject } from '@quantum-ip/base'
import type { RevocationRecord } from '@quantum-ip/trust'
import type { DecisionsFact } from './decisions-part.ts'
import type { ProvenToken } from './examine-entry.ts'
import { decisionFact, objectsAt, textAt } from './facts.ts'
import type { Subject } from './subject.ts'

/** A token that is looked into, by as much of its names as is known. */
export interface FocusToken {
  readonly digest: string | undefined
  readonly log: string | undefined
  readonly index: number | undefined
}

/** What is looked into: the subject, and what it leads to. */
export interface Focus {
  readonly builds: readonly string[]
  /** Services as which these builds ran, or the one that is asked for. */
  readonly services: readonly string[]
  /** Thumbprints. */
  readonly keys: readonly string[]
  readonly tokens: readonly FocusToken[]
}

/** A state lags behind the log by up to a second, and is signed every five: what was issued so long ago is listed. */
export const listedWithinMs = 6_000

/** What a subject is widened by: all of it reported. */
export interface FocusSources {
  /** The record of the decision, or what an identifier names. */
  readonly records: readonly JsonObject[]
  readonly decisions: DecisionsFact
  readonly sessions: readonly JsonObject[]
}

/** The builds, services, keys and tokens that a subject leads to. */
export function focusOf(
  { kind, value, claims, as }: Subject,
  { records, decisions, sessions }: FocusSources,
): Focus {
  const [record = {}] = records
  switch (kind) {
    case 'build':
      return {
        builds: [value],
        services: servicesOf(value, { as, decisions, sessions }),
        keys: [],
        tokens: [],
      }
    case 'service':
      return { builds: buildsOf(value, { decisions, sessions }), services: [value], keys: [], tokens: [] }
    case 'key':
      return { builds: [], services: [], keys: [textAt(record, 'kid') ?? value], tokens: [] }
    case 'identifier':
      return {
        builds: [textAt(record, 'build') ?? ''].filter((build) => build !== ''),
        services: [textAt(record, 'sid') ?? ''].filter((sid) => sid !== ''),
        keys: [],
        tokens: [],
      }
    case 'token': {
      const place = /^(?<log>.+)\/(?<index>\d+)$/.exec(value)?.groups
      return {
        builds: claims?.build === undefined ? [] : [claims.build],
        services: claims === undefined ? [] : [claims.sub],
        keys: [],
        tokens: [
          {
            digest: place === undefined ? value : undefined,
            log: place?.['log'] ?? claims?.log ?? textAt(record, 'log'),
            index: place === undefined ? claims?.index : Number(place['index']),
          },
        ],
      }
    }
    case 'decision': {
      const { build, subject, token } = decisionFact(record)
      return {
        builds: build === undefined ? [] : [build],
        services: subject === undefined ? [] : [subject],
        keys: [],
        tokens: token === undefined ? [] : [token],
      }
    }
  }
}

type Reported = Pick<FocusSources, 'decisions' | 'sessions'>

function servicesOf(
  build: string,
  { as, decisions, sessions }: Reported & { readonly as: string | undefined },
): readonly string[] {
  const ofDecisions = decisions.records
    .filter((each) => each.build === build)
    .flatMap(({ subject }) => subject ?? [])
  const ofSessions = sessions
    .filter((session) => objectsAt(session, 'builds').some((each) => textAt(each, 'digest') === build))
    .flatMap((session) => textAt(session, 'sid') ?? [])
  return [...new Set([...(as === undefined ? [] : [as]), ...ofDecisions, ...ofSessions])].sort()
}

function buildsOf(service: string, { decisions, sessions }: Reported): readonly string[] {
  const ofDecisions = decisions.records
    .filter(({ subject }) => subject === service)
    .flatMap(({ build }) => build ?? [])
  const ofSessions = sessions
    .filter((session) => textAt(session, 'sid') === service)
    .flatMap((session) => objectsAt(session, 'builds').flatMap((each) => textAt(each, 'digest') ?? []))
  return [...new Set([...ofDecisions, ...ofSessions])].sort()
}

/** Whether a revocation is about what is looked into. */
export function matchesFocus(
  { kind, value, log, from }: RevocationRecord,
  focus: Focus,
  proven: readonly ProvenToken[],
): boolean {
  switch (kind) {
    case 'build':
      return focus.builds.includes(value)
    case 'identity':
      return focus.services.includes(value)
    case 'key':
      return focus.keys.includes(value)
    case 'token':
      return log === undefined
        ? focus.tokens.some(({ digest }) => digest === value) || proven.some(({ digest }) => digest === value)
        : focus.tokens.some((token) => token.log === log && String(token.index) === value)
    case 'range':
      return focus.tokens.some(
        (token) =>
          token.log === log &&
          token.index !== undefined &&
          token.index >= (from ?? 0) &&
          token.index < Number(value),
      )
  }
}
