import type { GuardedRoute } from '../gateway/route-setup.ts'
import { type RouteTable, compileRoutes } from '../gateway/route-table.ts'
import type { CheckRoute } from './ext-authz-options.ts'

type Route = GuardedRoute<CheckRoute>

/** The keys of `context_extensions` that are ours: each narrows down which routes may count. */
export const extensionKeys = {
  /** The name of a route. */
  route: 'quantum_ip.route',
  /** The service ID of routes. */
  service: 'quantum_ip.service',
  /** The policy of routes. */
  policy: 'quantum_ip.policy',
} as const

const prefix = 'quantum_ip.'
const known: readonly string[] = Object.values(extensionKeys)

/**
 * The routes that may count for a question, by the `context_extensions` that Envoy's own route has.
 *
 * They are of Envoy's configuration and never of its clients. What names no route of ours, and a key of ours that there is none of, leave no
 * route: the question is refused.
 */
export class RouteChoice {
  readonly #routes: readonly Route[]
  readonly #all: RouteTable<Route>
  // One for each combination that names routes of ours.
  readonly #chosen = new Map<string, RouteTable<Route>>()

  /** @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_ROUTE_CONFLICT` */
  constructor(routes: readonly Route[]) {
    this.#routes = routes
    for (const route of routes) compileRoutes([route])
    this.#all = compileRoutes(routes.filter(({ terms }) => terms.onlyByName !== true))
  }

  /** The table to look in; `undefined` where none may count. */
  for(extensions: ReadonlyMap<string, string>): RouteTable<Route> | undefined {
    if (extensions.size === 0) return this.#all
    for (const name of extensions.keys())
      if (name.startsWith(prefix) && !known.includes(name)) return undefined
    const [route, service, policy] = known.map((name) => extensions.get(name))
    if (route === undefined && service === undefined && policy === undefined) return this.#all
    const key = JSON.stringify([route, service, policy])
    const chosen = this.#chosen.get(key)
    if (chosen !== undefined) return chosen
    const left = this.#routes.filter(
      ({ name, terms }) =>
        (route === undefined ? terms.onlyByName !== true : name === route) &&
        (service === undefined || terms.service === service) &&
        (policy === undefined || terms.policy === policy),
    )
    if (left.length === 0) return undefined
    const table = compileRoutes(left)
    this.#chosen.set(key, table)
    return table
  }
}
