/** A request to the authority. */
export interface AuthorityRequest {
  /** What it is for, in a few words: it stands in errors, where target and body never do. */
  readonly operation: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path and query, as they go into the request line. */
  readonly target: string
  readonly body?: Uint8Array
  /** Default `application/json`, where there is a body. */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Makes the `Authorization` value, anew for each attempt. What it returns is in no error. */
  readonly authorize?: () => string
  /** Whether it may be sent twice. Default: `GET` may, `POST` may not. */
  readonly idempotent?: boolean
  /** Bytes of the answer; more is an error. Default 1 MiB. */
  readonly answerBytesMax?: number
  /** Milliseconds for each attempt, in place of the transport's. */
  readonly timeoutMs?: number
  /** Ends it early. */
  readonly signal?: AbortSignal
}

/** A successful answer. */
export interface AuthorityAnswer {
  readonly status: number
  /** The media type, lower case, without parameters; empty where there is none. */
  readonly mediaType: string
  readonly body: Uint8Array
}

/** A successful answer whose body goes on arriving. */
export interface AuthorityStream {
  readonly mediaType: string
  /** Ends, or throws {@link ClientError} `QIP_CLIENT_AUTHORITY_UNAVAILABLE`, with the connection. */
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the connection. */
  close(): void
}

/** Whatever sends requests to an authority: a transport, a session, or an operator's credential. */
export interface Requester {
  /**
   * Sends a request; resolves with a 2xx answer only.
   *
   * @throws {ClientError} `QIP_CLIENT_AUTHORITY_REFUSED` with the problem's code for 4xx ·
   *   `QIP_CLIENT_AUTHORITY_UNAVAILABLE` if nobody could be asked in time, and for 408, 429 and 5xx ·
   *   `QIP_CLIENT_CHANNEL_REFUSED` · `QIP_CLIENT_CLOSED`
   */
  request(request: AuthorityRequest): Promise<AuthorityAnswer>
  /** Sends a request and hands over the body as it comes. One attempt at each address. @throws as {@link Requester.request} */
  stream(request: AuthorityRequest): Promise<AuthorityStream>
}
