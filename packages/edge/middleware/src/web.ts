import type { QuantumIpCall } from './call.ts'
import { WebHold } from './lib/web-hold.ts'
import { pairsOf, WebRequest } from './lib/web-request.ts'
import type { QuantumIp, RefusedCall } from './quantum-ip.ts'

/** Handles requests of callers that may go on. */
export type VerifiedFetchHandler<Rest extends readonly unknown[]> = (
  request: Request,
  call: { readonly quantumIp: QuantumIpCall },
  ...rest: Rest
) => Response | Promise<Response>

/**
 * A handler of the shape that Web-standard servers take, `(request: Request) => Response`: calls `handler` for requests that may go on, and
 * answers all others itself. What the server passes besides the request is passed on.
 *
 * Such a server shows no client certificate, and equal fields joined: a field with a comma counts as two.
 *
 * @example
 * export default { fetch: verifiedFetch(quantumIp, (_request, { quantumIp }) => new Response(quantumIp.identity)) }
 */
export function verifiedFetch<Rest extends readonly unknown[]>(
  quantumIp: QuantumIp,
  handler: VerifiedFetchHandler<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    const web = new WebRequest(request)
    const judged = await quantumIp.judge(web.toJudge(quantumIp))
    if (!judged.passes) return refusal(judged)
    const hold = new WebHold(judged.hold)
    try {
      web.replaceFields(judged.fields)
      return hold.around(await handler(web.request, { quantumIp: judged.call }, ...rest))
    } catch (error) {
      hold.leave()
      throw error
    }
  }
}

/** A refusal as a `Response`. */
export function refusal({ answer: { status, fields, body } }: RefusedCall): Response {
  return new Response(body, { status, headers: pairsOf(fields) })
}
