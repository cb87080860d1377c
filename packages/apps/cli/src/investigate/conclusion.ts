import { plural } from '../lib/plural.ts'
import { formatTime } from '../lib/times.ts'
import { passed } from './decisions-part.ts'
import type { Examined } from './examine-case.ts'
import type { FailingAttestation } from './examine-evidence.ts'
import { numberAt, textAt } from './facts.ts'
import { gapsOf } from './gaps.ts'
import { short } from './timeline.ts'

/**
 * What an investigation ends with: something speaks against the subject, it is revoked and nothing passed since, nothing speaks
 * against it, or what is known does not suffice.
 */
export type Outcome = 'contradicted' | 'revoked' | 'clean' | 'unknown'

/** One reason for an outcome. */
export interface Finding {
  readonly code:
    | 'not_attested'
    | 'attestation_fails'
    | 'not_admitted'
    | 'builder_compromised'
    | 'key_compromised'
    | 'unlogged'
    | 'token_unproven'
    | 'token_other'
    | 'withheld'
    | 'record_unfit'
    | 'critical_event'
    | 'accepted_after_revocation'
    | 'revoked'
    | 'attestation_refused'
    | 'holds'
  readonly speaks: 'against' | 'for' | 'revoked'
  readonly text: string
}

/** A conclusion in words, with what it rests on and what it cannot know. */
export interface Conclusion {
  readonly outcome: Outcome
  /** One sentence for people. */
  readonly text: string
  readonly findings: readonly Finding[]
  readonly gaps: readonly string[]
  /** Commands that come next, as they are typed. */
  readonly next: readonly string[]
}

/** Concludes from what was examined. Pure: the same case always has the same conclusion. */
export function concludeCase(examined: Examined): Conclusion {
  const findings = [
    ...ofAttestations(examined),
    ...ofKeys(examined),
    ...ofTokens(examined),
    ...ofEvents(examined),
    ...ofRevocations(examined),
  ]
  const outcome = outcomeOf(findings, examined)
  return {
    outcome,
    text: textOf(outcome, findings, examined),
    findings,
    gaps: gapsOf(examined),
    next: nextOf(outcome, findings, examined),
  }
}

function outcomeOf(findings: readonly Finding[], { focus, of }: Examined): Outcome {
  if (findings.some(({ speaks }) => speaks === 'against')) return 'contradicted'
  if (findings.some(({ speaks }) => speaks === 'revoked')) return 'revoked'
  const lacks = of.missing.some(({ what }) => /attestation|revocation|proof of token/.test(what))
  if (lacks) return 'unknown'
  if (findings.some(({ code }) => code === 'holds')) return 'clean'
  // Of a subject without any build there is nothing to attest; of one that nobody ever heard of, nothing to say.
  return focus.builds.length === 0 && of.parts.length > 0 && isKnown(of.parts) ? 'clean' : 'unknown'
}

function isKnown(parts: Examined['of']['parts']): boolean {
  return parts.some(
    ({ kind, text }) => kind === 'subject' || (kind === 'decisions' && !text.includes('"total":0')),
  )
}

function ofAttestations(examined: Examined): readonly Finding[] {
  const { attestations, focus, of, decisions, sessions } = examined
  const findings: Finding[] = []
  for (const build of focus.builds) {
    const holding = attestations.filter((each) => each.holds && each.build === build)
    const failing = attestations.filter(
      (each): each is FailingAttestation =>
        !each.holds && (each.build === build || focus.builds.length === 1),
    )
    if (holding.length > 0) {
      const [first] = holding
      if (first?.holds === true) findings.push(holdsFinding(build, first, holding.length))
    }
    for (const each of failing) findings.push(failsFinding(build, each))
    const isUnknown = of.missing.some(({ what }) => what.includes('attestation'))
    const ran = decisions.total > 0 || sessions.length > 0
    if (holding.length === 0 && failing.length === 0 && !isUnknown) {
      const where = ran ? ', and it ran' : ''
      const text = `no attestation of build ${short(build)} is logged${where}`
      findings.push(withheld(build, examined) ?? { code: 'not_attested', speaks: 'against', text })
    }
  }
  return [...findings, ...ofAdmission(attestations), ...ofRefusals(decisions)]
}

/** An entry of the log whose envelope the registry does not show. */
function withheld(build: string, { wholeLogs }: Examined): Finding | undefined {
  for (const { origin, builds } of wholeLogs) {
    const found = [...builds].find(([, logged]) => logged === build)
    if (found === undefined) continue
    const text = `an attestation of build ${short(build)} is logged at ${found[0]} of ${origin}, and the registry does not have it`
    return { code: 'withheld', speaks: 'against', text }
  }
  return undefined
}

function holdsFinding(
  build: string,
  { builder, origin, index }: { readonly builder: string; readonly origin: string; readonly index: number },
  count: number,
): Finding {
  const more = count > 1 ? ` (and ${count - 1} more)` : ''
  const text = `build ${short(build)} is attested by ${builder}, proven to be logged at ${index} of ${origin}${more}`
  return { code: 'holds', speaks: 'for', text }
}

function failsFinding(build: string, { code, reason, build: named }: FailingAttestation): Finding {
  const isOther = named !== undefined && named !== build
  const why = isOther ? `digest differs: it attests ${short(named)}, this is ${short(build)}` : why_[code]
  const text = `the attestation of build ${short(build)} does not verify: ${why ?? reason}`
  return { code: 'attestation_fails', speaks: 'against', text }
}

const why_: Readonly<Record<string, string>> = {
  QIP_ATTESTATION_ENTRY_MISMATCH: 'its envelope is not the one that was logged',
  QIP_ATTESTATION_NOT_LOGGED: 'the log has something else in its place',
  QIP_ATTESTATION_SIGNATURES_INSUFFICIENT: 'not all keys of its builder that count have signed it',
}

function ofAdmission(attestations: Examined['attestations']): readonly Finding[] {
  const holding = attestations.filter((each) => each.holds)
  const services = new Set(holding.flatMap(({ admissions }) => admissions.map(({ service }) => service)))
  return [...services].flatMap((service): readonly Finding[] => {
    const decisions = holding.flatMap((each) =>
      each.admissions.filter((admission) => admission.service === service),
    )
    // One attestation that a rule takes is enough.
    if (decisions.some(({ admitted }) => admitted)) return []
    const reason = decisions[0]?.reason ?? ''
    return [
      {
        code: 'not_admitted',
        speaks: 'against',
        text: `it is attested, and may not be ${service}: ${reason}`,
      },
    ]
  })
}

function ofRefusals({ groups }: Examined['decisions']): readonly Finding[] {
  const count = groups
    .filter(({ reason }) => reason === 'attestation_invalid')
    .reduce((sum, each) => sum + each.count, 0)
  if (count === 0) return []
  const text = `${plural(count, 'request was', 'requests were')} found with an attestation that does not hold`
  return [{ code: 'attestation_refused', speaks: 'against', text }]
}

function ofKeys({ keys, focus }: Examined): readonly Finding[] {
  const compromised = keys.filter(
    (key) => focus.keys.includes(textAt(key, 'kid') ?? '') && textAt(key, 'state') === 'compromised',
  )
  return compromised.map((key): Finding => {
    const isBuilder = textAt(key, 'use') === 'qip-build'
    const what = isBuilder
      ? `a key of its builder ${textAt(key, 'name') ?? ''}`
      : `the key ${short(textAt(key, 'kid') ?? '')}`
    return {
      code: isBuilder ? 'builder_compromised' : 'key_compromised',
      speaks: 'against',
      text: `${what} is compromised`,
    }
  })
}

function ofTokens({ of, focus, tokens, tokensFailing, issued, decisions }: Examined): readonly Finding[] {
  const unlogged = decisions.records.filter(({ head }) => head === 'unlogged').length
  const findings: Finding[] = tokensFailing.map(({ origin, index, reason }): Finding => ({
    code: 'token_unproven',
    speaks: 'against',
    text: `token ${index} of ${origin} is not in its log: ${reason}`,
  }))
  const isOne = of.subject.kind === 'token' || of.subject.kind === 'decision'
  for (const wanted of isOne ? focus.tokens : []) {
    const logged = tokens.find(({ origin, index }) => origin === wanted.log && index === wanted.index)
    if (logged === undefined) continue
    const place = `${logged.index} of ${logged.origin}`
    if (wanted.digest !== undefined && wanted.digest !== logged.digest) {
      findings.push({
        code: 'token_other',
        speaks: 'against',
        text: `the log has another token at ${place}: this one was never issued`,
      })
    } else
      findings.push({
        code: 'holds',
        speaks: 'for',
        text: `the token was issued: proven to be logged at ${place}`,
      })
  }
  for (const record of issued.filter((each) => each['isLogged'] === false)) {
    const place = `${numberAt(record, 'index') ?? 0} of ${textAt(record, 'log') ?? ''}`
    const text = `the sealed record of token ${place} does not fit the log: the authority's program did not issue what is there`
    findings.push({ code: 'record_unfit', speaks: 'against', text })
  }
  if (unlogged === 0) return findings
  const text = `${plural(unlogged, 'request', 'requests')} passed on a signed head that is in no log: the issuing key was used by somebody else`
  return [...findings, { code: 'unlogged', speaks: 'against', text }]
}

function ofEvents({ events }: Examined): readonly Finding[] {
  return events
    .filter((event) => textAt(event, 'severity') === 'critical')
    .map((event) => ({
      code: 'critical_event',
      speaks: 'against',
      text: `security event ${numberAt(event, 'number') ?? 0}: ${textAt(event, 'kind') ?? ''}, with proof`,
    }))
}

/** The state reaches every verifier within seconds; one that has not got it for longer refuses by itself. */
const graceMs = 60_000

function ofRevocations({ revocations, decisions, asOfMs }: Examined): readonly Finding[] {
  const inForce = revocations.filter(({ expires }) => expires === undefined || expires * 1_000 > asOfMs)
  const findings = inForce.map(({ kind, value, epoch, time, before, reason }): Finding => ({
    code: 'revoked',
    speaks: 'revoked',
    text: `${kind} ${short(value)} is revoked since ${formatTime(time * 1_000)}, epoch ${epoch}${before === undefined ? '' : ', for tokens issued before'}: ${reason}`,
  }))
  const [first] = inForce
    .filter(({ before, kind }) => before === undefined && kind !== 'key')
    .toSorted((a, b) => a.time - b.time)
  if (first === undefined) return findings
  const after = decisions.groups.filter(
    (group) => passed(group) && group.lastMs > first.time * 1_000 + graceMs,
  )
  if (after.length === 0) return findings
  const last = Math.max(...after.map(({ lastMs }) => lastMs))
  const text = `a request still passed at ${formatTime(last)}, after the revocation of epoch ${first.epoch}`
  return [...findings, { code: 'accepted_after_revocation', speaks: 'against', text }]
}

function textOf(outcome: Outcome, findings: readonly Finding[], { of, focus }: Examined): string {
  const subject = of.subject.kind === 'service' ? 'service' : of.subject.kind
  const against = findings.filter(({ speaks }) => speaks === 'against')
  const revoked = findings.filter(({ speaks }) => speaks === 'revoked')
  switch (outcome) {
    case 'contradicted': {
      const [first] = against
      const more =
        against.length > 1 ? ` (and ${plural(against.length - 1, 'more finding', 'more findings')})` : ''
      const since = revoked.length > 0 ? `; ${revoked[0]?.text ?? ''}` : ''
      return `${first?.text ?? ''}${more}${since}`
    }
    case 'revoked':
      return revoked[0]?.text ?? ''
    case 'clean':
      return `nothing contradicts this ${subject}${focus.builds.length > 1 ? `, nor the ${focus.builds.length} builds that it ran` : ''}`
    case 'unknown': {
      const [lack] = of.missing
      const because =
        lack === undefined
          ? `nobody here ever heard of this ${subject}`
          : `${lack.what} could not be had: ${lack.reason}`
      return `cannot say: ${because}`
    }
  }
}

function nextOf(outcome: Outcome, findings: readonly Finding[], examined: Examined): readonly string[] {
  const { of, focus, decisions, keys } = examined
  const { subject } = of
  const isRevoked = findings.some(({ speaks }) => speaks === 'revoked')
  const next: string[] = []
  if (outcome === 'contradicted' && !isRevoked) {
    const [build] = focus.builds
    const key = focus.keys.find((kid) =>
      keys.some((row) => textAt(row, 'kid') === kid && textAt(row, 'state') === 'compromised'),
    )
    if (build !== undefined) next.push(`qip revoke build sha256:${build} --reason '<why>'`)
    else if (subject.kind === 'key' && key === undefined)
      next.push(`qip revoke key ${focus.keys[0] ?? subject.value} --reason '<why>'`)
    else if (subject.kind === 'service') next.push(`qip revoke identity ${subject.value} --reason '<why>'`)
  }
  if (outcome === 'contradicted' && examined.incidents.length === 0) {
    const services = [...new Set(decisions.groups.map(({ service }) => service))].filter(
      (service) => service !== '',
    )
    const touched = services.slice(0, 3).map((service) => ` --service ${service}`)
    next.push(
      `qip incident open '${subject.kind} ${short(subject.value)} is contradicted' --severity critical${touched.join('')}`,
    )
  }
  if (outcome === 'contradicted' || outcome === 'unknown') next.push('qip events list --all')
  const [newest] = decisions.records.toSorted((a, b) => b.timeMs - a.timeMs)
  const explained = subject.kind === 'decision' ? subject.value : newest?.id
  if (explained !== undefined) next.push(`qip explain ${explained}`)
  next.push(`qip investigate ${subject.kind === 'build' ? 'sha256:' : ''}${subject.value} --export case.qip`)
  return next
}
