import type { JsonObject } from '@quantum-ip/base'
import { buildRevocation } from '@quantum-ip/trust'
import { subjectJson } from './case-file.ts'
import type { Conclusion } from './conclusion.ts'
import type { Examined } from './examine-case.ts'
import { timelineOf } from './timeline.ts'
import { touchedBy } from './touched.ts'

/** A case that was examined, as JSON: the answer of `qip investigate --json`. What is not known is absent. */
export function caseJson(examined: Examined, conclusion: Conclusion): JsonObject {
  const { of, asOfMs, epoch, seq, focus, decisions, refusedSince, revocations, attestations, parts } =
    examined
  const { outcome, text, findings, gaps, next } = conclusion
  return {
    subject: subjectJson(of.subject),
    outcome,
    conclusion: text,
    ...plain({ findings, gaps, next }),
    asOf: { timeMs: asOfMs, seq, epoch },
    collectedMs: of.collectedMs,
    ...plain({
      focus,
      timeline: timelineOf(examined),
      attestations,
      decisions: { ...decisions, records: undefined },
      refusedSince: { ...refusedSince, records: undefined },
      touched: touchedBy(examined),
    }),
    revocations: revocations.map((record) => buildRevocation(record)),
    ...plain({ parts, missing: of.missing }),
  }
}

/** What is data already, as JSON. */
function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject
}
