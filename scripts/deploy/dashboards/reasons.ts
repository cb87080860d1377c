import { CustomVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { causeByReason } from '../root-causes.ts'

/** A variable with every reason of a verdict, the ones of failures first. */
export function reasons(): CustomVariableBuilder {
  const all = Object.keys(causeByReason)
  const failures = all.filter((reason) => !reason.startsWith('ok'))
  const ordered = [...failures, ...all.filter((reason) => reason.startsWith('ok'))]
  const [first = ''] = ordered
  return new CustomVariableBuilder('reason')
    .label('Reason')
    .values(ordered.join(','))
    .current({ text: first, value: first })
}
