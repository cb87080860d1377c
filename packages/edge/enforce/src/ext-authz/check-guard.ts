import type { Buffer } from 'node:buffer'
import {
  type ClientCertificate,
  type LoadCounter,
  type PointAnswer,
  certificateFields,
  problemAnswer,
  readEscapedCertificate,
  readForwardedCertificate,
} from '@quantum-ip/point'
import { relayProblem } from '../gateway/problem.ts'
import type { ListenerOptions } from '../gateway/relay-options.ts'
import type { TrustedPeers } from '../gateway/peers.ts'
import type { QuestionGuard, Ruling } from '../question/question-guard.ts'
import { peerUnknown } from '../question/question-options.ts'
import { checkAnswer, problemAnswered } from './check-answer.ts'
import { type CheckQuestion, CheckReader, digestOfBody } from './check-question.ts'
import { type CheckRequest, decodeCheckRequest } from './check-request.ts'
import type { ExtAuthzOptions } from './ext-authz-options.ts'
import type { RouteChoice } from './route-choice.ts'

/** What the guard of `Authorization` works with. */
export interface CheckGuardParts {
  readonly options: ExtAuthzOptions
  readonly guard: QuestionGuard
  readonly choice: RouteChoice
  readonly peers: TrustedPeers
  readonly inFlight: LoadCounter
  readonly inFlightMax: number
  readonly fieldsMax: number
}

/**
 * Answers `CheckRequest` with `CheckResponse`.
 *
 * It always answers: an error of gRPC would open a filter with `failure_mode_allow`, a refusal does not.
 */
export class CheckGuard {
  readonly #parts: CheckGuardParts
  readonly #reader: CheckReader
  readonly #taken: readonly string[]
  #inFlight = 0

  constructor(parts: CheckGuardParts) {
    this.#parts = parts
    const { options, fieldsMax } = parts
    this.#taken = options.clientCertificates === 'xfcc' ? certificateFields.xfcc : []
    this.#reader = new CheckReader({
      certificateFields: this.#taken,
      exactPaths: options.ambiguousPaths === 'exact',
      fieldsMax,
    })
  }

  /** Questions in flight in this thread. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** The answer to a question. `peer`: the address of who asks, empty on a Unix socket. Never throws, never rejects. */
  judge(bytes: Buffer, peer: string, listener: ListenerOptions): Buffer | Promise<Buffer> {
    const { inFlight, inFlightMax, peers } = this.#parts
    if (!peers.includes(peer) || (peer === '' && listener.path === undefined)) return strangersAnswer
    if (!inFlight.enter(inFlightMax)) return problemAnswered(this.#shed())
    this.#inFlight++
    try {
      const answered = this.#judge(bytes, listener)
      if (!(answered instanceof Promise)) {
        this.#leave()
        return answered
      }
      return answered
        .catch(() => defectAnswer)
        .finally(() => {
          this.#leave()
        })
    } catch {
      this.#leave()
      return defectAnswer
    }
  }

  #leave(): void {
    this.#inFlight--
    this.#parts.inFlight.leave()
  }

  #shed(): PointAnswer {
    this.#parts.options.onShed?.('in_flight')
    return relayProblem('overloaded')
  }

  #judge(bytes: Buffer, listener: ListenerOptions): Buffer | Promise<Buffer> {
    const asked = readMessage(bytes)
    if (asked === undefined) return problemAnswered(relayProblem('request_malformed', 'no CheckRequest'))
    const question = this.#reader.read(asked)
    if ('refused' in question) return problemAnswered(relayProblem(question.refused, question.detail))
    const { guard, choice } = this.#parts
    const { rawBody } = asked
    const ruling = guard.judge(
      {
        at: question.at,
        reserved: question.reserved,
        certificate: this.#certificateOf(asked, question),
        explains: listener.detail === 'internal',
        digest: () => (rawBody === undefined || !question.hasBody ? undefined : digestOfBody(rawBody)),
      },
      choice.for(asked.extensions),
    )
    const answer = (settled: Ruling): Buffer => checkAnswer(settled, question, this.#taken)
    return ruling instanceof Promise ? ruling.then(answer) : answer(ruling)
  }

  #certificateOf(asked: CheckRequest, { reserved }: CheckQuestion): ClientCertificate | undefined {
    const from = this.#parts.options.clientCertificates
    if (from === undefined) return undefined
    if (from === 'xfcc') return readForwardedCertificate('xfcc', reserved)
    return readEscapedCertificate(asked.certificate)
  }
}

const strangersAnswer = problemAnswered(problemAnswer(peerUnknown('extAuthz.peers')))
const defectAnswer = problemAnswered(relayProblem('defect'))

function readMessage(bytes: Buffer): CheckRequest | undefined {
  try {
    return decodeCheckRequest(bytes)
  } catch {
    return undefined
  }
}
