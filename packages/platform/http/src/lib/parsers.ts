import { isQipError } from '@quantum-ip/base'
import { HttpError } from '../http-errors.ts'
import type { App } from '../server.ts'
import { parseFormBody, parseForm } from '../strict-form.ts'
import { parseJsonBody } from '../strict-json.ts'

const malformedQuery = Symbol('malformed query')

/** Reads bodies strictly; a media type without a parser is refused (415). */
export function addParsers(app: App): void {
  app.removeAllContentTypeParsers()
  const json = /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/
  app.addContentTypeParser(json, { parseAs: 'buffer' }, (_request, body, done) => {
    settle(() => parseJsonBody(body as Buffer), done)
  })
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'buffer' },
    (request, body, done) => {
      settle(() => {
        if (request.routeOptions.config.form !== true) {
          throw new HttpError('QIP_HTTP_MEDIA_TYPE_UNSUPPORTED', {})
        }
        return parseFormBody(body as Buffer)
      }, done)
    },
  )
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
}

function settle(parse: () => unknown, done: (error: Error | null, body?: unknown) => void): void {
  let body: unknown
  try {
    body = parse()
  } catch (error) {
    done(error as Error)
    return
  }
  done(null, body)
}

/** Reads a query. The router calls it where nothing may throw: what is wrong is kept for {@link queryFault}. */
export function parseQuery(text: string): Record<string | symbol, unknown> {
  try {
    return parseForm(text)
  } catch (error) {
    return { [malformedQuery]: error }
  }
}

/** Why a query that {@link parseQuery} read is malformed. */
export function queryFault(query: unknown): Error | undefined {
  const fault = (query as { [malformedQuery]?: unknown } | null)?.[malformedQuery]
  return isQipError(fault) ? fault : undefined
}
