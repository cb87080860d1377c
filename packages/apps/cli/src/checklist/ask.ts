import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import type { ChecklistRow } from './row.ts'

const listMax = 100_000

/** Asks an authority for lists, and makes a row of what it does not answer. */
export class Asking {
  readonly #requester: Requester

  constructor(requester: Requester) {
    this.#requester = requester
  }

  /** The objects of one list of an answer. @throws {ClientError} */
  async list(target: string, name: string): Promise<readonly AnswerReader[]> {
    return (await this.answer(target)).objects(name, listMax)
  }

  /** @throws {ClientError} */
  async answer(target: string): Promise<AnswerReader> {
    const operation = target.split('?')[0] ?? target
    return new AnswerReader(
      await requestJson(this.#requester, { operation, method: 'GET', target }),
      operation,
    )
  }
}

/** Rows of `work`; where nobody answers, one that says so: an item that could not be looked at is not done. */
export async function rowsOf(
  name: string,
  work: () => Promise<readonly ChecklistRow[]>,
): Promise<readonly ChecklistRow[]> {
  try {
    return await work()
  } catch (error) {
    const seen = error instanceof Error ? error.message : 'no answer'
    return [
      { name, outcome: 'open', seen, next: 'ask where it can be asked: --authority, --credential-file' },
    ]
  }
}
