import { ServerlessError } from '../serverless-errors.ts'
import { firstUse } from './first-use.ts'

/** A handler that is there, or one that is loaded when it is first needed. */
export type HandlerSource<Handler> =
  | { readonly handler: Handler }
  | {
      /** Loads the application: called when the first request has been let through, not before. */
      readonly load: () => Promise<object>
      /** Which export is the handler. Default `handler`. */
      readonly name?: string
    }

/**
 * The handler of a source, loaded at most once.
 *
 * @throws {ServerlessError} `QIP_SERVERLESS_HANDLER_MISSING`, when it is asked for
 */
export function handlerOf<Handler>(source: HandlerSource<Handler>): () => Promise<Handler> {
  if ('handler' in source) return firstUse(() => source.handler)
  const { load, name = 'handler' } = source
  return firstUse(async () => {
    const module = (await load()) as Readonly<Record<string, unknown>>
    const found = module[name] ?? (module['default'] as typeof module | undefined)?.[name]
    if (typeof found !== 'function') throw new ServerlessError('QIP_SERVERLESS_HANDLER_MISSING', { name })
    return found as Handler
  })
}
