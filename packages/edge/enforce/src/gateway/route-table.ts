import { isServiceId, nearest } from '@quantum-ip/base'
import { EnforceError } from '../enforce-errors.ts'
import { ambiguity } from '@quantum-ip/point'

/** Which requests a route takes. All that is given must hold. */
export interface RouteMatch {
  /** `shop.acme.example`, `*.acme.example` for every name below, or absent for any host. Lower case, without port. */
  readonly host?: string | undefined
  /** A prefix that ends where a segment ends: `/api` takes `/api` and `/api/x`, not `/apix`. Default `/`, all. */
  readonly path?: string | undefined
  /** Default any. */
  readonly methods?: readonly string[] | undefined
}

/** Requests of a route that pass without a verdict, by name. */
export interface ExemptRule {
  /** The whole path, exactly. */
  readonly path: string
  /** The path and everything below it: for ACME challenges, whose paths are drawn. Default false. */
  readonly prefix?: boolean | undefined
  readonly methods?: readonly string[] | undefined
}

/** What a route table needs to know of a route. */
export interface RoutePattern {
  /** For errors and records. Default: host and path. */
  readonly name?: string | undefined
  readonly match: RouteMatch
  readonly exempt?: readonly ExemptRule[] | undefined
}

/** The part of a request that chooses a route. */
export interface RoutedRequest {
  /** Lower case, without port. */
  readonly host: string
  readonly path: string
  readonly method: string
}

/** Finds the route of a request. */
export interface RouteTable<Route> {
  /** The most specific route that matches: by host, then by the longest path, then one that names the method. */
  find(request: RoutedRequest): Route | undefined
}

/** The name of a route in errors and records. */
export function routeName({ name, match }: RoutePattern): string {
  return name ?? `${match.host ?? '*'}${match.path ?? '/'}`
}

interface Entry<Route> {
  readonly route: Route
  /** Without a slash at the end; empty for all. */
  readonly prefix: string
  readonly methods: ReadonlySet<string> | undefined
}

/**
 * Compiles a route table.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`, `QIP_ENFORCE_ROUTE_CONFLICT`
 */
export function compileRoutes<Route extends RoutePattern>(routes: readonly Route[]): RouteTable<Route> {
  const byHost = new Map<string, Entry<Route>[]>()
  const seen = new Map<string, string>()
  for (const route of routes) {
    checkPattern(route)
    noteConflict(seen, route)
    const { host = '*', path = '/', methods } = route.match
    const entry = { route, prefix: path.replace(/\/$/, ''), methods: methods && new Set(methods) }
    const entries = byHost.get(host)
    if (entries === undefined) byHost.set(host, [entry])
    else entries.push(entry)
  }
  for (const entries of byHost.values()) entries.sort(bySpecificity)
  return { find: (request) => find(byHost, request) }
}

function bySpecificity(a: Entry<unknown>, b: Entry<unknown>): number {
  return (
    b.prefix.length - a.prefix.length || Number(b.methods !== undefined) - Number(a.methods !== undefined)
  )
}

// The host decides first: a longer path under a wildcard never takes requests from a route that names their host.
function find<Route>(
  byHost: ReadonlyMap<string, readonly Entry<Route>[]>,
  request: RoutedRequest,
): Route | undefined {
  const exact = firstOf(byHost.get(request.host), request)
  if (exact !== undefined) return exact
  for (let dot = request.host.indexOf('.'); dot >= 0; dot = request.host.indexOf('.', dot + 1)) {
    const found = firstOf(byHost.get(`*${request.host.slice(dot)}`), request)
    if (found !== undefined) return found
  }
  return firstOf(byHost.get('*'), request)
}

function firstOf<Route>(
  entries: readonly Entry<Route>[] | undefined,
  request: RoutedRequest,
): Route | undefined {
  if (entries === undefined) return undefined
  for (const { route, prefix, methods } of entries) {
    if (!hasPrefix(request.path, prefix)) continue
    if (methods === undefined || methods.has(request.method)) return route
  }
  return undefined
}

const slash = 0x2f

function hasPrefix(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return path.length === prefix.length || path.charCodeAt(prefix.length) === slash
}

/** Whether a request of this route passes without a verdict. */
export function isExempt(exempt: readonly ExemptRule[], request: RoutedRequest): boolean {
  for (const { path, prefix, methods } of exempt) {
    const matches = prefix === true ? hasPrefix(request.path, path.replace(/\/$/, '')) : path === request.path
    if (matches && (methods === undefined || methods.includes(request.method))) return true
  }
  return false
}

const hostForm = /^(?:\*\.)?[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?$|^\[[0-9a-f:.]{2,45}\]$/

function checkPattern(route: RoutePattern): void {
  const name = routeName(route)
  const { host, path = '/', methods } = route.match
  if (host !== undefined && !hostForm.test(host))
    throw invalid(name, `\`${host}\` is not a host in lower case, without port`)
  checkPath(name, path)
  checkMethods(name, methods)
  for (const rule of route.exempt ?? []) {
    checkPath(name, rule.path)
    checkMethods(name, rule.methods)
    if (!hasPrefix(rule.path, path.replace(/\/$/, '')))
      throw invalid(name, `exempt path \`${rule.path}\` is not under \`${path}\``)
  }
}

function checkPath(route: string, path: string): void {
  if (!path.startsWith('/')) throw invalid(route, `path \`${path}\` does not begin with a slash`)
  if (/[?#*]/.test(path)) throw invalid(route, `path \`${path}\` has a character that no path is matched by`)
  const reason = ambiguity(path)
  if (reason !== undefined) throw invalid(route, `path \`${path}\` has ${reason}`)
}

const knownMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'QUERY']

function checkMethods(route: string, methods: readonly string[] | undefined): void {
  if (methods === undefined) return
  if (methods.length === 0) throw invalid(route, 'its list of methods is empty')
  for (const method of methods) {
    if (/^[A-Z][A-Z0-9_-]{0,31}$/.test(method)) continue
    const meant = nearest(method, knownMethods)
    throw invalid(route, `\`${method}\` is not a method${meant === undefined ? '' : `; \`${meant}\` is`}`)
  }
}

function noteConflict(seen: Map<string, string>, route: RoutePattern): void {
  const { host = '*', path = '/', methods } = route.match
  const name = routeName(route)
  for (const method of methods ?? ['']) {
    const key = `${host} ${path.replace(/\/$/, '')} ${method}`
    const other = seen.get(key)
    if (other !== undefined) throw new EnforceError('QIP_ENFORCE_ROUTE_CONFLICT', { route: name, other })
    seen.set(key, name)
  }
}

/**
 * Checks the service of a route.
 *
 * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`
 */
export function checkRouteService(route: RoutePattern & { readonly service: string }): void {
  const { service } = route
  if (!isServiceId(service)) throw invalid(routeName(route), `\`${String(service)}\` is not a service ID`)
}

function invalid(route: string, reason: string): EnforceError {
  return new EnforceError('QIP_ENFORCE_ROUTE_INVALID', { route, reason })
}
