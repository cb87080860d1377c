import { plural } from '../lib/plural.ts'
import { formatTime } from '../lib/times.ts'
import { passed } from './decisions-part.ts'
import type { Examined } from './examine-case.ts'

/** What an examination cannot know, in words: a conclusion without them would claim too much. */
export function gapsOf(examined: Examined): readonly string[] {
  return [
    ...ofMissing(examined),
    ...ofRetention(examined),
    ...ofSampling(examined),
    ...ofSuppressed(examined),
    ...ofStanding(examined),
    ...ofAbsence(examined),
  ]
}

function ofMissing({ of, rules, attestations }: Examined): readonly string[] {
  const missing = of.missing.map(({ what, reason }) => `${what}: ${reason}`)
  const holds = attestations.some((each) => each.holds)
  return rules === undefined && holds
    ? [...missing, 'whether an admission rule lets it run: the rules were not at hand']
    : missing
}

/** Between an attestation and the first decision about anything there is always a moment. */
const nearMs = 60_000

function ofRetention({ decisions, attestations, of }: Examined): readonly string[] {
  if (of.sinceMs !== undefined) {
    return [`decisions before ${formatTime(of.sinceMs)} were not asked for (--since)`]
  }
  const { oldestMs } = decisions
  if (oldestMs === undefined) return []
  const attested = attestations.flatMap((each) => (each.holds ? [each.attestedMs] : []))
  const begin = attested.length === 0 ? undefined : Math.min(...attested)
  // What was attested after the oldest decision cannot have been used before it.
  if (begin !== undefined && begin >= oldestMs - nearMs) return []
  return [`decisions before ${formatTime(oldestMs)}: none are kept, they were pruned or never reported`]
}

function ofSampling({ decisions }: Examined): readonly string[] {
  const shares = decisions.records.filter((each) => passed(each) && each.share < 1).map(({ share }) => share)
  if (shares.length === 0) return []
  const least = Math.min(...shares)
  return [
    `requests that were verified and allowed are recorded at ${percent(least)}: there were more, and perhaps an earlier and a later one`,
  ]
}

function ofSuppressed({ decisions }: Examined): readonly string[] {
  const count = decisions.suppressed.reduce((sum, each) => sum + each.count, 0)
  if (count === 0) return []
  const reasons = [...new Set(decisions.suppressed.map(({ reason }) => reason))].join(', ')
  return [
    `${plural(count, 'decision was', 'decisions were')} over the cap and not kept, about anything (${reasons})`,
  ]
}

function ofStanding({ of, decisions, tokens }: Examined): readonly string[] {
  const gaps: string[] = []
  if (of.pinned !== 'pinned')
    gaps.push(
      `the root keys were taken on the word of the ${of.pinned === 'own socket' ? 'authority on this machine' : 'authority'}`,
    )
  if (decisions.total > 0) gaps.push('decisions are what enforcement points reported: nobody signed them')
  if (decisions.total > 0 && tokens.length === 0)
    gaps.push('no token that was used is proven here to have been issued')
  return gaps
}

function ofAbsence({ attestations, focus, wholeLogs, of }: Examined): readonly string[] {
  const isAbsent = focus.builds.length > 0 && attestations.length === 0
  if (!isAbsent || of.missing.some(({ what }) => what.startsWith('whether '))) return []
  const sizes = wholeLogs.map(({ origin, size }) => `${origin} (${size} entries)`).join(', ')
  return wholeLogs.length === 0
    ? ['that no attestation is logged is the word of the registry']
    : [`attestation logs that were closed before: ${sizes} was read whole, and has none`]
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`
}
