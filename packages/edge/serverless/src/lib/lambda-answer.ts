import type { PointAnswer } from '@quantum-ip/point'
import type { EventKind } from './lambda-event.ts'

/** What a function answers with, as far as a refusal needs it. */
export interface LambdaAnswer {
  readonly statusCode: number
  /** Of a load balancer alone. */
  readonly statusDescription?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>
  readonly body: string
  readonly isBase64Encoded: false
}

/** A refusal in the shape that whoever sent the event takes. */
export function lambdaAnswer(kind: EventKind, { status, fields, body }: PointAnswer): LambdaAnswer {
  const headers: Record<string, string> = {}
  for (let i = 0; i < fields.length; i += 2) headers[fields[i] as string] = fields[i + 1] as string
  const answer = { statusCode: status, headers, body, isBase64Encoded: false } as const
  if (kind === 'http' || kind === 'rest') return answer
  const described = {
    ...answer,
    statusDescription: `${status} ${process.getBuiltinModule('node:http').STATUS_CODES[status] ?? ''}`.trim(),
  }
  if (kind === 'alb') return described
  const { headers: single, ...rest } = described
  // Such a target group drops every field that is not in here.
  const all = Object.entries(single).map(([name, value]) => [name, [value]] as const)
  return { ...rest, multiValueHeaders: Object.fromEntries(all) }
}
