import { type QuantumIpCall, reservedFields } from '@quantum-ip/middleware/adapter'
import { type HandlerSource, handlerOf } from './lib/handler-of.ts'
import { type LambdaAnswer, lambdaAnswer } from './lib/lambda-answer.ts'
import { type LambdaEvent, readLambdaEvent } from './lib/lambda-event.ts'
import { replaceEventFields } from './lib/lambda-fields.ts'
import type { ServerlessPoint } from './serverless-point.ts'

/** An event whose caller was judged. */
export type Verified<Event> = Event & { readonly quantumIp: QuantumIpCall }

/** A handler behind {@link verifiedLambda}. */
export type VerifiedLambda<Event, Context, Result> = (
  event: Verified<Event>,
  context: Context,
) => Result | Promise<Result>

/** What is read of a context. */
interface RemainingTime {
  getRemainingTimeInMillis?(): number
}

/**
 * A handler for API Gateway (REST and HTTP API), function URLs and Application Load Balancers: the handler behind it is called for requests
 * that may go on, and all others are answered here, in the shape that the event asks for. With `load` the application is
 * loaded only when the first request has been let through: what is refused runs none of its code.
 *
 * The handler that is returned throws {@link ServerlessError} `QIP_SERVERLESS_EVENT_UNKNOWN` for an event that is no HTTP
 * request, and what the handler behind it throws.
 */
export function verifiedLambda<Event extends object = LambdaEvent, Context = unknown, Result = unknown>(
  point: ServerlessPoint,
  source: HandlerSource<VerifiedLambda<Event, Context, Result>>,
): (event: Event, context: Context) => Promise<Result | LambdaAnswer> {
  const handler = handlerOf(source)
  return async (event, context) => {
    const request = readLambdaEvent(event)
    await point.refresh(halfOfWhatIsLeft(context))
    const { kind, at, fields, certificate } = request
    // Handlers read the same path out of the event.
    const judged = await point.judge({ at, reserved: reservedFields(fields), certificate, isPathFinal: true })
    if (!judged.passes) return lambdaAnswer(kind, judged.answer)
    // Its answer is whole when it is there: nothing of it is open for long, and could be cut.
    const leave = judged.hold?.(() => undefined)
    try {
      replaceEventFields(event, judged.fields)
      const handle = await handler()
      return await handle(Object.assign(event, { quantumIp: judged.call }), context)
    } finally {
      leave?.()
    }
  }
}

// Who waits for trust until the end of its time can't even say so.
function halfOfWhatIsLeft(context: unknown): number | undefined {
  const leftMs = (context as RemainingTime | undefined)?.getRemainingTimeInMillis?.()
  return leftMs === undefined ? undefined : leftMs / 2
}
