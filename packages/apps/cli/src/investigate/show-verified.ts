import { type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { formatTime } from '../lib/times.ts'
import { caseJson } from './case-json.ts'
import type { Conclusion } from './conclusion.ts'
import type { Examined, Standing } from './examine-case.ts'
import { showConclusion, showSubject, showTimeline } from './show-case.ts'
import { timelineOf } from './timeline.ts'

/** A case that was checked again. */
export interface VerifiedCase {
  readonly examined: Examined
  readonly conclusion: Conclusion
  readonly digest: string
  /** Whether the digest was compared with one that was noted at the time. */
  readonly isNoted: boolean
}

/** Shows what of a case is proven, what it only reports, and as of when. */
export function showVerifiedCase(
  output: Output,
  { examined, conclusion, digest, isNoted }: VerifiedCase,
): void {
  const { parts, asOfMs, of } = examined
  const count = (standing: Standing) => parts.filter((part) => part.standing === standing).length
  const json = {
    ok: true,
    digest,
    proven: count('proven'),
    reported: count('reported'),
    fails: count('fails'),
  }
  output.show({ ...json, digestNoted: isNoted, ...caseJson(examined, conclusion) }, () => {
    output.line(
      tone('good', 'verified'),
      `the case is whole: ${plural(parts.length, 'part', 'parts')}, nothing was asked of anybody`,
    )
    output.facts([
      ['digest', `sha256:${digest}`],
      ['collected', formatTime(of.collectedMs)],
      ['proven as of', formatTime(asOfMs)],
    ])
    output.table(
      ['part', 'standing', 'because'],
      parts.map(({ name, standing, note }) => [
        name,
        tone(({ proven: 'good', reported: 'dim', fails: 'bad' } as const)[standing], standing),
        note,
      ]),
    )
    const word = isNoted
      ? 'what is only reported, and what fails, is as it was when the digest was noted'
      : 'whoever wrote the file may have written what is only reported, and broken what fails: compare the digest with the one that was noted (--digest)'
    output.line(tone(isNoted ? 'good' : 'warn', word))
    output.line('')
    showSubject(output, examined)
    showTimeline(output, timelineOf(examined))
    showConclusion(output, conclusion)
  })
}
