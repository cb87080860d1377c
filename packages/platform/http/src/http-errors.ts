import { type ErrorTable, QipError } from '@quantum-ip/base'

type Nothing = Readonly<Record<string, never>>

/** The codes of `@quantum-ip/http`. */
export interface HttpErrorDetails {
  /** A request's body, query, parameters or headers do not fit the route's schema. `path` is a JSON pointer. */
  QIP_HTTP_REQUEST_INVALID: {
    readonly part: string
    readonly path: string
    readonly reason: string
    readonly nearest?: string
  }
  /** A body is not what its media type says: not UTF-8, not a form, or empty. */
  QIP_HTTP_BODY_MALFORMED: { readonly reason: string }
  /** A body is larger than the route accepts (413). */
  QIP_HTTP_BODY_TOO_LARGE: { readonly sizeMax: number | undefined }
  /** A body's media type is not one that the route reads (415). */
  QIP_HTTP_MEDIA_TYPE_UNSUPPORTED: Nothing
  /** No route has this method and path (404). */
  QIP_HTTP_ROUTE_UNKNOWN: { readonly method: string }
  /** The header fields are too many or too long (431). */
  QIP_HTTP_HEADERS_TOO_LARGE: { readonly reason: string }
  /** What arrived is not HTTP, or not one request that all readers read alike. */
  QIP_HTTP_REQUEST_MALFORMED: { readonly reason: string }
  /** A request was not sent whole in time (408). */
  QIP_HTTP_REQUEST_TIMEOUT: Nothing
  /** More requests are in flight than the server takes. */
  QIP_HTTP_OVERLOADED: { readonly retryAfterS: number }
  /** The server is stopping and takes nothing new. */
  QIP_HTTP_STOPPING: Nothing
  /** A request was not answered in time; whether it took effect is not known. */
  QIP_HTTP_HANDLER_TIMEOUT: Nothing
  /** All places for clients of a feed are taken. */
  QIP_HTTP_FEED_FULL: { readonly clientsMax: number }
  /** A route that needs a credential was called without one (401). */
  QIP_HTTP_CREDENTIAL_MISSING: { readonly access: string }
  /** A credential is malformed, unknown, expired or revoked; which of them is not told (401). */
  QIP_HTTP_CREDENTIAL_INVALID: Nothing
  /** A credential travelled unencrypted over a network (403). */
  QIP_HTTP_CREDENTIAL_IN_PLAINTEXT: Nothing
  /** The caller is known, but may not do this (403). */
  QIP_HTTP_ROLE_MISSING: { readonly access: string }
  /** A route that needs a post-quantum key exchange was called without one (403). */
  QIP_HTTP_POST_QUANTUM_REQUIRED: Nothing
  /** There is no operator credential of this ID. */
  QIP_HTTP_CREDENTIAL_UNKNOWN: Nothing
  /** Something failed that is not the caller's fault; the message stays inside. */
  QIP_HTTP_DEFECT: { readonly requestId: string }
  /** A route was registered without saying who may call it. */
  QIP_HTTP_ACCESS_UNDECLARED: { readonly route: string }
  /** A route was registered whose schema lets unknown members through. */
  QIP_HTTP_SCHEMA_OPEN: { readonly route: string; readonly part: string; readonly path: string }
  /** Another process listens on this address. */
  QIP_HTTP_ADDRESS_IN_USE: { readonly address: string }
  /** This machine has no such address, or the name does not resolve. */
  QIP_HTTP_ADDRESS_UNAVAILABLE: { readonly address: string }
  /** This process may not listen there. */
  QIP_HTTP_ADDRESS_FORBIDDEN: { readonly address: string }
  /** Another process answers on this Unix socket. */
  QIP_HTTP_SOCKET_IN_USE: { readonly path: string }
  /** A Unix socket cannot be made at this path. */
  QIP_HTTP_SOCKET_UNUSABLE: { readonly path: string; readonly reason: string }
  /** A file that the configuration names cannot be read. */
  QIP_HTTP_FILE_UNREADABLE: { readonly path: string; readonly what: string; readonly reason: string }
  /** A file that the configuration asks for cannot be written. */
  QIP_HTTP_FILE_UNWRITABLE: { readonly path: string; readonly what: string; readonly reason: string }
  /** A certificate or its key cannot be used. */
  QIP_HTTP_CERTIFICATE_INVALID: { readonly path: string; readonly reason: string }
  /** A text is not the strict YAML that is accepted here. */
  QIP_HTTP_YAML_MALFORMED: {
    readonly source: string
    readonly line: number
    readonly column: number
    readonly reason: string
    /** The offending line, its values left out; empty where the line has no key to show. */
    readonly excerpt: string
  }
  /** The configuration has a key that does not exist. */
  QIP_HTTP_CONFIG_UNKNOWN_KEY: {
    readonly source: string
    readonly line: number
    readonly column: number
    readonly path: string
    readonly nearest?: string
  }
  /** A value of the configuration cannot be used. */
  QIP_HTTP_CONFIG_INVALID: {
    readonly source: string
    readonly line: number
    readonly column: number
    readonly path: string
    readonly reason: string
    readonly next?: string
  }
}

const where = (at: { source: string; line: number; column: number }): string =>
  `\`${at.source}\` line ${at.line}, column ${at.column}`

const credentialNext =
  'send `Authorization: Bearer <credential>`; an admin makes credentials, the first one is in the file that the first start wrote'

const httpErrors: ErrorTable<HttpErrorDetails> = {
  QIP_HTTP_REQUEST_INVALID: {
    fault: 'caller',
    message: ({ part, path, reason }) =>
      `the ${part} is not as expected at \`${path === '' ? '/' : path}\`: ${reason}`,
    next: ({ nearest }) =>
      nearest === undefined
        ? 'compare with the OpenAPI document of this server'
        : `did you mean \`${nearest}\``,
  },
  QIP_HTTP_BODY_MALFORMED: { fault: 'caller', message: ({ reason }) => `the body cannot be read: ${reason}` },
  QIP_HTTP_BODY_TOO_LARGE: {
    fault: 'caller',
    message: ({ sizeMax }) =>
      sizeMax === undefined ? 'the body is too large' : `the body is larger than ${sizeMax} bytes`,
    next: () => 'send less in one request',
  },
  QIP_HTTP_MEDIA_TYPE_UNSUPPORTED: {
    fault: 'caller',
    message: () => 'the body has a media type that this route does not read',
    next: () => 'send `Content-Type: application/json`',
  },
  QIP_HTTP_ROUTE_UNKNOWN: {
    fault: 'caller',
    message: ({ method }) => `no such route for ${method}`,
    next: () => 'compare with the OpenAPI document of this server',
  },
  QIP_HTTP_HEADERS_TOO_LARGE: {
    fault: 'caller',
    message: ({ reason }) => `the header is too large: ${reason}`,
  },
  QIP_HTTP_REQUEST_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a well-formed request: ${reason}`,
  },
  QIP_HTTP_REQUEST_TIMEOUT: {
    fault: 'busy',
    message: () => 'the request did not arrive whole in time',
    next: () => 'send it again, faster or smaller',
  },
  QIP_HTTP_OVERLOADED: {
    fault: 'busy',
    message: () => 'too many requests are in flight, or the machine is too busy for them',
    next: ({ retryAfterS }) => `try again in ${retryAfterS} s`,
  },
  QIP_HTTP_STOPPING: {
    fault: 'busy',
    message: () => 'the server is stopping',
    next: () => 'try again at another instance, or in a moment',
  },
  QIP_HTTP_HANDLER_TIMEOUT: {
    fault: 'busy',
    message: () => 'no answer in time; whether the request took effect is not known',
    next: () => 'look at the present state before you send it again',
  },
  QIP_HTTP_FEED_FULL: {
    fault: 'busy',
    message: ({ clientsMax }) => `the feed serves at most ${clientsMax} clients`,
    next: () => 'try again later, or follow the feed of another instance',
  },
  QIP_HTTP_CREDENTIAL_MISSING: {
    fault: 'denied',
    message: ({ access }) => `this route needs a credential: ${access}`,
    next: () => credentialNext,
  },
  QIP_HTTP_CREDENTIAL_INVALID: {
    fault: 'denied',
    message: () => 'the credential is not valid',
    next: () => 'ask an admin for a new credential, or admit the workload again',
  },
  QIP_HTTP_CREDENTIAL_IN_PLAINTEXT: {
    fault: 'denied',
    message: () => 'a credential was sent over an unencrypted connection and must be seen as leaked',
    next: () => 'revoke that credential, and use https or the local socket',
  },
  QIP_HTTP_ROLE_MISSING: {
    fault: 'denied',
    message: ({ access }) => `the caller may not do this: ${access}`,
    next: () => 'use a credential with that role',
  },
  QIP_HTTP_POST_QUANTUM_REQUIRED: {
    fault: 'denied',
    message: () => 'this route needs a connection with the key exchange X25519MLKEM768',
    next: () => 'use https from a client with OpenSSL 3.5, BoringSSL, Go 1.24 or later',
  },
  QIP_HTTP_CREDENTIAL_UNKNOWN: {
    fault: 'caller',
    message: () => 'there is no operator credential of this ID',
    next: () => 'list the credentials',
  },
  QIP_HTTP_DEFECT: {
    fault: 'defect',
    message: ({ requestId }) => `an internal error in request \`${requestId}\``,
    next: () => 'report it with the request ID',
  },
  QIP_HTTP_ACCESS_UNDECLARED: {
    fault: 'defect',
    message: ({ route }) => `the route \`${route}\` does not say who may call it`,
    next: () => "give it config: { access: 'open' | 'session' | 'member' | a role }",
  },
  QIP_HTTP_SCHEMA_OPEN: {
    fault: 'defect',
    message: ({ route, part, path }) =>
      `the ${part} schema of \`${route}\` lets unknown members through at \`${path}\``,
    next: () => 'give that object additionalProperties: false',
  },
  QIP_HTTP_ADDRESS_IN_USE: {
    fault: 'conflict',
    message: ({ address }) => `another process listens on \`${address}\``,
    next: ({ address }) => `stop it, or choose another port; \`ss -ltnp\` shows who has \`${address}\``,
  },
  QIP_HTTP_ADDRESS_UNAVAILABLE: {
    fault: 'caller',
    message: ({ address }) => `this machine has no address \`${address}\``,
    next: () => 'listen on an address of this machine, for example `127.0.0.1` or `0.0.0.0`',
  },
  QIP_HTTP_ADDRESS_FORBIDDEN: {
    fault: 'denied',
    message: ({ address }) => `this process may not listen on \`${address}\``,
    next: () => 'choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE',
  },
  QIP_HTTP_SOCKET_IN_USE: {
    fault: 'conflict',
    message: ({ path }) => `another process answers on the socket \`${path}\``,
    next: () => 'stop it, or choose another socket path',
  },
  QIP_HTTP_SOCKET_UNUSABLE: {
    fault: 'caller',
    message: ({ path, reason }) => `no socket can be made at \`${path}\`: ${reason}`,
    next: () => 'choose a path of at most 90 bytes in an existing directory that this user may write',
  },
  QIP_HTTP_FILE_UNREADABLE: {
    fault: 'caller',
    message: ({ path, what, reason }) => `the ${what} \`${path}\` cannot be read: ${reason}`,
    next: () => 'check the path, and that this user may read the file',
  },
  QIP_HTTP_FILE_UNWRITABLE: {
    fault: 'caller',
    message: ({ path, what, reason }) => `the ${what} \`${path}\` cannot be written: ${reason}`,
    next: () => 'check that the directory exists, that this user may write it and that the disk is not full',
  },
  QIP_HTTP_CERTIFICATE_INVALID: {
    fault: 'caller',
    message: ({ path, reason }) => `the certificate \`${path}\` cannot be used: ${reason}`,
    next: () => 'give a PEM file with the certificate chain, leaf first, and the PEM private key of the leaf',
  },
  QIP_HTTP_YAML_MALFORMED: {
    fault: 'caller',
    message: ({ excerpt, reason, ...at }) =>
      `${where(at)}: ${reason}${excerpt === '' ? '' : `, in \`${excerpt}\``}`,
  },
  QIP_HTTP_CONFIG_UNKNOWN_KEY: {
    fault: 'caller',
    message: ({ path, ...at }) => `${where(at)}: unknown key \`${path}\``,
    next: ({ nearest }) =>
      nearest === undefined
        ? '`qip config schema` lists the keys that exist'
        : `did you mean \`${nearest}\`; \`qip config schema\` lists the keys that exist`,
  },
  QIP_HTTP_CONFIG_INVALID: {
    fault: 'caller',
    message: ({ path, reason, ...at }) => `${where(at)}: \`${path}\`: ${reason}`,
    next: ({ next }) => next ?? '`qip config show` shows the effective values',
  },
}

/** Thrown by `@quantum-ip/http`. */
export class HttpError<Code extends keyof HttpErrorDetails = keyof HttpErrorDetails> extends QipError<
  HttpErrorDetails,
  Code
> {
  constructor(code: Code, details: HttpErrorDetails[Code], options?: ErrorOptions) {
    super(httpErrors, code, details, options)
  }
}
