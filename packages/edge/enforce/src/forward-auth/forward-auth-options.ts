import type { QuestionOptions, QuestionRoute } from '../question/question-options.ts'

/** One route: which requests, for which service, by which policy. Where they go is the proxy's business. */
export interface ForwardRoute extends QuestionRoute {
  /**
   * Proxies that send the body with their question: bodies up to this many bytes are held, so that tokens bound to the content can be
   * checked. Default 0.
   */
  readonly bodyBytesHeld?: number | undefined
}

/** What {@link openForwardAuth} needs. All parts are passed in. */
export interface ForwardAuthOptions extends QuestionOptions {
  readonly routes: readonly ForwardRoute[]
}
