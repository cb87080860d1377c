import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'

const membersMax = 100_000

/** The fleet as the authority knows it: its answer, and the members in it. */
export async function fetchFleet(
  requester: Requester,
): Promise<{ readonly json: JsonObject; readonly members: readonly AnswerReader[] }> {
  const operation = 'the fleet'
  const json = (await requestJson(requester, { operation, method: 'GET', target: '/v1/fleet' })) as JsonObject
  return { json, members: new AnswerReader(json, operation).objects('members', membersMax) }
}
