import type { JsonObject } from '@quantum-ip/base'
import { plural } from '../lib/plural.ts'
import { type DecisionGroup, passed, sumGroups } from './decisions-part.ts'
import type { Examined, Standing } from './examine-case.ts'
import type { ExaminedAttestation } from './examine-evidence.ts'
import { type DecisionFact, numberAt, objectAt, objectsAt, textAt } from './facts.ts'

/** The chapters of a timeline, in the order of a build's life. */
export const chapters = [
  'build',
  'log',
  'key',
  'session',
  'token',
  'use',
  'refusal',
  'revocation',
  'event',
  'act',
  'incident',
] as const

/** A chapter of {@link chapters}. */
export type Chapter = (typeof chapters)[number]

/** Something that happened. */
export interface Moment {
  readonly timeMs: number
  readonly chapter: Chapter
  readonly text: string
  readonly standing: Standing
  readonly tone: 'good' | 'bad' | 'warn' | 'plain'
  /** What to look at for more: a decision ID, a place in a log, the number of an event. */
  readonly ref?: string
}

/** All that happened, in the order of time. */
export function timelineOf(examined: Examined): readonly Moment[] {
  const moments = [
    ...examined.attestations.flatMap((each) => ofAttestation(each, examined.focus.builds.length === 1)),
    ...ofAbsence(examined),
    ...examined.keys.filter((key) => isFocused(examined, key)).flatMap((key) => ofKey(key)),
    ...examined.sessions.flatMap((session) => ofSession(session)),
    ...ofTokens(examined),
    ...examined.issued.map((record) => ofIssued(record)),
    ...ofDecisions(examined),
    ...ofRefusedSince(examined),
    ...examined.revocations.map((record): Moment => {
      const held = examined.members.filter(
        (member) => (numberAt(member, 'epoch') ?? 0) >= record.epoch,
      ).length
      const fleet =
        examined.members.length === 0
          ? ''
          : `; ${held} of ${plural(examined.members.length, 'member holds', 'members hold')} it`
      return {
        timeMs: record.time * 1_000,
        chapter: 'revocation',
        text: `${record.kind} ${short(record.value)} revoked, epoch ${record.epoch}: ${record.reason}${fleet}`,
        standing: 'proven',
        tone: 'bad',
        ref: `epoch ${record.epoch}`,
      }
    }),
    ...examined.events.map((event) => ofEvent(event)),
    ...examined.acts.map((act) => ofAct(act)),
    ...examined.incidents.flatMap((incident) => ofIncident(incident)),
  ]
  return moments.toSorted(
    (a, b) => a.timeMs - b.timeMs || chapters.indexOf(a.chapter) - chapters.indexOf(b.chapter),
  )
}

/** Logs that were read whole and have nothing: that, too, is proven as of the signed state. */
function ofAbsence({ wholeLogs, focus, asOfMs }: Examined): readonly Moment[] {
  return wholeLogs
    .filter(({ builds }) => !focus.builds.some((build) => [...builds.values()].includes(build)))
    .map(({ origin, size }) => ({
      timeMs: asOfMs,
      chapter: 'log',
      text: `no attestation is in ${origin}: all of its ${plural(size, 'entry', 'entries')} were read`,
      standing: 'proven',
      tone: 'bad',
    }))
}

function ofAttestation(attestation: ExaminedAttestation, isOne: boolean): readonly Moment[] {
  if (!attestation.holds) {
    const { origin, index, reason } = attestation
    const ref = `${origin}/${index}`
    // Where it does not hold, not even its time is known: it stands at the beginning.
    return [
      {
        timeMs: 0,
        chapter: 'log',
        text: `attestation does not verify: ${reason}`,
        standing: 'fails',
        tone: 'bad',
        ref,
      },
    ]
  }
  const { build, builder, source, startedMs, finishedMs, attestedMs, origin, index, treeSize, admissions } =
    attestation
  const built = finishedMs ?? startedMs
  const which = isOne ? '' : `${short(build)} `
  const moments: Moment[] = []
  if (built !== undefined) {
    const from = source === undefined ? '' : ` from ${source}`
    moments.push({
      timeMs: built,
      chapter: 'build',
      text: `${which}built by ${builder}${from}`,
      standing: 'proven',
      tone: 'plain',
    })
  }
  const refused = admissions.filter(({ admitted }) => !admitted)
  moments.push({
    timeMs: attestedMs,
    chapter: 'log',
    text: `${which}attested by ${builder}, logged; inclusion proven in the tree of ${plural(treeSize, 'entry', 'entries')}`,
    standing: 'proven',
    tone: refused.length > 0 ? 'warn' : 'good',
    ref: `${origin}/${index}`,
  })
  return moments
}

function isFocused({ focus }: Examined, key: JsonObject): boolean {
  return focus.keys.includes(textAt(key, 'kid') ?? '')
}

function ofKey(key: JsonObject): readonly Moment[] {
  const name = `${textAt(key, 'use') ?? 'key'} ${short(textAt(key, 'kid') ?? '')}`
  const made = numberAt(key, 'createdMs')
  const changed = numberAt(key, 'changedMs')
  const state = textAt(key, 'state') ?? ''
  const rows: Moment[] = []
  if (made !== undefined)
    rows.push({
      timeMs: made,
      chapter: 'key',
      text: `${name} made known`,
      standing: 'reported',
      tone: 'plain',
    })
  if (changed !== undefined && changed !== made) {
    const tone = state === 'compromised' ? 'bad' : 'plain'
    rows.push({ timeMs: changed, chapter: 'key', text: `${name} is ${state}`, standing: 'reported', tone })
  }
  return rows
}

function ofSession(session: JsonObject): readonly Moment[] {
  const admitted = numberAt(session, 'admittedMs')
  if (admitted === undefined) return []
  const builds = objectsAt(session, 'builds').map((build) => {
    const digest = short(textAt(build, 'digest') ?? '')
    return objectAt(build, 'attestation') === undefined && build['attestation'] === null
      ? `${digest} (unattested)`
      : digest
  })
  const what = builds.length === 0 ? 'no build' : builds.join(', ')
  return [
    {
      timeMs: admitted,
      chapter: 'session',
      text: `${textAt(session, 'sid') ?? ''} admitted by ${textAt(session, 'method') ?? ''} with ${what}`,
      standing: 'reported',
      tone: what.includes('(unattested)') ? 'warn' : 'plain',
    },
  ]
}

function ofIssued(record: JsonObject): Moment {
  const build = textAt(record, 'build')
  const fits = record['isLogged'] === true
  const what = build === undefined ? 'without a build' : `with build ${short(build)}`
  return {
    timeMs: (numberAt(record, 'iat') ?? 0) * 1_000,
    chapter: 'token',
    text: `issued to ${textAt(record, 'sub') ?? ''} ${what}, session ${textAt(record, 'session') ?? ''}: its sealed record was opened, and ${fits ? 'fits' : 'does not fit'} the log`,
    standing: 'reported',
    tone: fits ? 'plain' : 'bad',
    ref: `${textAt(record, 'log') ?? ''}/${numberAt(record, 'index') ?? 0}`,
  }
}

function ofTokens({ tokens, tokensFailing, decisions }: Examined): readonly Moment[] {
  const seen = (origin: string, index: number) =>
    decisions.records.find(({ token }) => token?.log === origin && token.index === index)?.timeMs
  return [
    ...tokens.map(({ origin, index, digest, expiresMs, size }): Moment => ({
      timeMs: seen(origin, index) ?? expiresMs,
      chapter: 'token',
      text: `token ${short(digest)} ${seen(origin, index) === undefined ? 'ends; it was issued' : 'was issued'}: proven in the tree of ${plural(size, 'entry', 'entries')}`,
      standing: 'proven',
      tone: 'plain',
      ref: `${origin}/${index}`,
    })),
    ...tokensFailing.map(({ origin, index, reason }): Moment => ({
      timeMs: seen(origin, index) ?? 0,
      chapter: 'token',
      text: `token is not proven to be in its log: ${reason}`,
      standing: 'fails',
      tone: 'bad',
      ref: `${origin}/${index}`,
    })),
  ]
}

function ofDecisions({ decisions }: Examined): readonly Moment[] {
  const { groups, records } = decisions
  const accepted = sumGroups(groups.filter((group) => passed(group)))
  const oldest = (match: (each: DecisionFact) => boolean) =>
    records.filter(match).toSorted((a, b) => a.timeMs - b.timeMs)
  const moments: Moment[] = []
  if (accepted !== undefined) {
    const ids = oldest((each) => passed(each))
    moments.push(use('first recorded use that passed', accepted.firstMs, ids[0]))
    if (accepted.count > 1)
      moments.push(use(`last recorded use that passed, of ${accepted.count}`, accepted.lastMs, ids.at(-1)))
  }
  for (const [reason, of] of byReason(groups.filter((group) => !passed(group)))) {
    const sum = sumGroups(of)
    if (sum === undefined) continue
    const ids = oldest((each) => !passed(each) && each.reason === reason)
    const action = [...new Set(of.map((group) => group.action))].join('/')
    const count = plural(sum.count, 'request', 'requests')
    moments.push(refusal(`first ${action} for ${reason}, of ${count}`, sum.firstMs, ids[0]))
    if (sum.count > 1) moments.push(refusal(`last ${action} for ${reason}`, sum.lastMs, ids.at(-1)))
  }
  for (const each of records.filter(({ head }) => head === 'unlogged'))
    moments.push({ ...use('passed on a head that is in no log', each.timeMs, each), tone: 'bad' })
  for (const each of records.filter(({ exception }) => exception !== undefined))
    moments.push({
      ...use(`passed by the exception ${each.exception ?? ''}`, each.timeMs, each),
      tone: 'warn',
    })
  return moments
}

function ofRefusedSince({ refusedSince, isOnlyRevoked }: Examined): readonly Moment[] {
  const sum = sumGroups(refusedSince.groups)
  if (sum === undefined) return []
  const ids = refusedSince.records.toSorted((a, b) => a.timeMs - b.timeMs)
  const whose = isOnlyRevoked
    ? 'nothing else of its kind is revoked'
    : 'of this or of something else that is revoked'
  const reasons = [...new Set(refusedSince.groups.map(({ reason }) => reason))].join('/')
  const count = plural(sum.count, 'request', 'requests')
  const moments = [refusal(`first refused as ${reasons}, of ${count} (${whose})`, sum.firstMs, ids[0])]
  if (sum.count > 1) moments.push(refusal(`last refused as ${reasons}`, sum.lastMs, ids.at(-1)))
  return moments
}

function byReason(groups: readonly DecisionGroup[]): ReadonlyMap<string, readonly DecisionGroup[]> {
  return Map.groupBy(groups, ({ reason }) => reason)
}

function use(text: string, timeMs: number, record: DecisionFact | undefined): Moment {
  return {
    timeMs,
    chapter: 'use',
    text: `${text}${placeOf(record)}`,
    standing: 'reported',
    tone: 'plain',
    ...refOf(record),
  }
}

function refusal(text: string, timeMs: number, record: DecisionFact | undefined): Moment {
  return {
    timeMs,
    chapter: 'refusal',
    text: `${text}${placeOf(record)}`,
    standing: 'reported',
    tone: 'warn',
    ...refOf(record),
  }
}

function placeOf(record: DecisionFact | undefined): string {
  return record === undefined ? '' : ` at ${record.point}, for ${record.service}`
}

function refOf(record: DecisionFact | undefined): { readonly ref?: string } {
  return record === undefined ? {} : { ref: record.id }
}

function ofEvent(event: JsonObject): Moment {
  const severity = textAt(event, 'severity') ?? ''
  const action = textAt(event, 'action') === 'done' ? ', revoked on it' : ''
  return {
    timeMs: numberAt(event, 'timeMs') ?? 0,
    chapter: 'event',
    text: `${severity} ${textAt(event, 'kind') ?? ''} about ${short(textAt(event, 'subject') ?? '')}, ${textAt(event, 'state') ?? ''}${action}`,
    standing: 'reported',
    tone: severity === 'critical' ? 'bad' : 'warn',
    ref: `event ${numberAt(event, 'number') ?? 0}`,
  }
}

function ofAct(act: JsonObject): Moment {
  return {
    timeMs: numberAt(act, 'timeMs') ?? 0,
    chapter: 'act',
    text: `${textAt(act, 'operator') ?? ''}: ${textAt(act, 'act') ?? ''} ${shortened(textAt(act, 'detail') ?? '')}`,
    standing: 'reported',
    tone: 'plain',
    ref: `act ${numberAt(act, 'number') ?? 0}`,
  }
}

function ofIncident(incident: JsonObject): readonly Moment[] {
  const ref = `incident ${numberAt(incident, 'number') ?? 0}`
  const about = { chapter: 'incident', standing: 'reported', ref } as const
  const opened = numberAt(incident, 'openedMs')
  const closed = numberAt(incident, 'closedMs')
  const title = `${textAt(incident, 'severity') ?? ''}: ${textAt(incident, 'title') ?? ''}`
  return [
    ...(opened === undefined
      ? []
      : [{ ...about, timeMs: opened, text: `opened, ${title}`, tone: 'warn' as const }]),
    ...(closed === undefined
      ? []
      : [
          {
            ...about,
            timeMs: closed,
            text: `closed: ${textAt(incident, 'resolution') ?? ''}`,
            tone: 'plain' as const,
          },
        ]),
  ]
}

function shortened(detail: string): string {
  return detail
    .replaceAll(/[0-9a-f]{64}|(?<=")[A-Za-z0-9_-]{43}(?=")/g, (value) => short(value))
    .slice(0, 160)
}

/** A digest or thumbprint, enough of it to recognise. */
export function short(text: string): string {
  return /^[0-9a-f]{64}$|^[A-Za-z0-9_-]{43}$/.test(text) ? `${text.slice(0, 12)}…` : text
}
