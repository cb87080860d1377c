import type { QuestionOptions, QuestionRoute } from '../question/question-options.ts'

/** One route: which requests, for which service, by which policy. Where they go is Envoy's business. */
export interface CheckRoute extends QuestionRoute {
  /** Counts only where `context_extensions` of Envoy's route name it (`quantum_ip.route`): several of the same match. Default false. */
  readonly onlyByName?: boolean | undefined
}

/** What {@link openExtAuthz} needs. All parts are passed in. */
export interface ExtAuthzOptions extends Omit<QuestionOptions, 'observer'> {
  readonly routes: readonly CheckRoute[]
  /**
   * Where the certificate of the client is read. `peer`: in `source.certificate`, which Envoy fills with `include_peer_certificate`; `xfcc`:
   * in `x-forwarded-client-cert`, where it has one element. Absent: nowhere, so that tokens which are bound to a certificate are refused.
   */
  readonly clientCertificates?: 'peer' | 'xfcc' | undefined
  /**
   * Milliseconds for which a server that is stopping goes on answering, having said `NOT_SERVING`, so that proxies that check health
   * have turned away before it closes connections. Not waited for while nobody is connected. Default 0.
   */
  readonly drainMs?: number | undefined
  /** Bytes of one question, the body that Envoy sends with it included. A longer one ends with `RESOURCE_EXHAUSTED`. Default 4 MiB. */
  readonly messageBytesMax?: number | undefined
}
