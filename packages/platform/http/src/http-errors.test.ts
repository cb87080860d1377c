import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HttpError, type HttpErrorDetails } from './http-errors.ts'
import { problemOf, statusOf } from './problem.ts'

const at = { source: 'a.yaml', line: 1, column: 2 }
const samples: { readonly [Code in keyof HttpErrorDetails]: HttpErrorDetails[Code] } = {
  QIP_HTTP_REQUEST_INVALID: { part: 'body', path: '/a', reason: 'lacks `b`' },
  QIP_HTTP_BODY_MALFORMED: { reason: 'it is empty' },
  QIP_HTTP_BODY_TOO_LARGE: { sizeMax: 10 },
  QIP_HTTP_MEDIA_TYPE_UNSUPPORTED: {},
  QIP_HTTP_ROUTE_UNKNOWN: { method: 'GET' },
  QIP_HTTP_HEADERS_TOO_LARGE: { reason: 'more than 100 fields' },
  QIP_HTTP_REQUEST_MALFORMED: { reason: 'two Authorization fields' },
  QIP_HTTP_REQUEST_TIMEOUT: {},
  QIP_HTTP_OVERLOADED: { retryAfterS: 3 },
  QIP_HTTP_STOPPING: {},
  QIP_HTTP_HANDLER_TIMEOUT: {},
  QIP_HTTP_FEED_FULL: { clientsMax: 5 },
  QIP_HTTP_CREDENTIAL_MISSING: { access: 'the role `admin`' },
  QIP_HTTP_CREDENTIAL_INVALID: {},
  QIP_HTTP_CREDENTIAL_IN_PLAINTEXT: {},
  QIP_HTTP_ROLE_MISSING: { access: 'the role `admin`' },
  QIP_HTTP_POST_QUANTUM_REQUIRED: {},
  QIP_HTTP_CREDENTIAL_UNKNOWN: {},
  QIP_HTTP_DEFECT: { requestId: 'x' },
  QIP_HTTP_ACCESS_UNDECLARED: { route: 'GET /x' },
  QIP_HTTP_SCHEMA_OPEN: { route: 'GET /x', part: 'body', path: '/' },
  QIP_HTTP_ADDRESS_IN_USE: { address: '127.0.0.1:80' },
  QIP_HTTP_ADDRESS_UNAVAILABLE: { address: '127.0.0.1:80' },
  QIP_HTTP_ADDRESS_FORBIDDEN: { address: '127.0.0.1:80' },
  QIP_HTTP_SOCKET_IN_USE: { path: '/run/s' },
  QIP_HTTP_SOCKET_UNUSABLE: { path: '/run/s', reason: 'permission denied' },
  QIP_HTTP_FILE_UNREADABLE: { path: '/c', what: 'TLS key', reason: 'permission denied' },
  QIP_HTTP_FILE_UNWRITABLE: { path: '/c', what: 'TLS key', reason: 'the disk is full' },
  QIP_HTTP_CERTIFICATE_INVALID: { path: '/c', reason: 'it expired' },
  QIP_HTTP_YAML_MALFORMED: { ...at, reason: 'a tag', excerpt: 'a: …' },
  QIP_HTTP_CONFIG_UNKNOWN_KEY: { ...at, path: 'gatway', nearest: 'gateway' },
  QIP_HTTP_CONFIG_INVALID: { ...at, path: 'gateway', reason: 'expected a mapping, found a list' },
}

const statuses: Partial<Record<keyof HttpErrorDetails, number>> = {
  QIP_HTTP_REQUEST_INVALID: 400,
  QIP_HTTP_BODY_TOO_LARGE: 413,
  QIP_HTTP_MEDIA_TYPE_UNSUPPORTED: 415,
  QIP_HTTP_ROUTE_UNKNOWN: 404,
  QIP_HTTP_HEADERS_TOO_LARGE: 431,
  QIP_HTTP_REQUEST_TIMEOUT: 408,
  QIP_HTTP_OVERLOADED: 503,
  QIP_HTTP_CREDENTIAL_MISSING: 401,
  QIP_HTTP_CREDENTIAL_INVALID: 401,
  QIP_HTTP_ROLE_MISSING: 403,
  QIP_HTTP_ADDRESS_IN_USE: 409,
  QIP_HTTP_DEFECT: 500,
}

describe('HttpError', () => {
  for (const [code, details] of Object.entries(samples)) {
    it(`${code} reads as a sentence without its beginning and end`, () => {
      const error = new HttpError(code as keyof HttpErrorDetails, details)
      for (const text of [error.message, error.next ?? 'x']) {
        assert.doesNotMatch(text, /undefined|\[object|[.!?]$/)
        assert.match(text, /^[^A-Z]/)
      }
    })
  }

  it('has the HTTP status of its fault, or the one that HTTP has for it', () => {
    for (const [code, status] of Object.entries(statuses)) {
      const error = new HttpError(code as keyof HttpErrorDetails, samples[code as keyof HttpErrorDetails])
      assert.equal(statusOf(error), status, code)
      assert.equal(problemOf(error).status, status)
    }
  })

  it('keeps what a defect of a route says inside', () => {
    const error = new HttpError('QIP_HTTP_SCHEMA_OPEN', { route: 'marked-secret', part: 'body', path: '/' })
    const problem = problemOf(error, { requestId: 'r' })
    assert.equal(problem.code, 'QIP_HTTP_SCHEMA_OPEN')
    assert.ok(!JSON.stringify(problem).includes('marked-secret'))
  })
})
