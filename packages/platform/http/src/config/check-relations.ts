import { relative } from 'node:path'
import { trustDomainOf } from '@quantum-ip/base'
import type { Path } from '../lib/schema-tree.ts'
import { checkAsked } from './check-asked.ts'
import { checkDecisions } from './check-decisions.ts'
import { checkBeyond } from './check-ledger.ts'
import type { Config, RouteConfig } from './config.ts'
import { checkEngines } from './check-policies.ts'
import { checkOtlp } from './check-otlp.ts'
import { checkFlows } from './check-flows.ts'
import { checkTellers } from './check-peers.ts'
import { checkSidecar } from './check-sidecar.ts'
import { checkReplay } from './check-replay.ts'
import type { ConfigFault } from './fault.ts'
import { isLoopback } from './units.ts'

/** What is wrong with a configuration whose single values are right: keys that do not fit each other. */
export function checkRelations(config: Config): readonly ConfigFault[] {
  return [
    ...checkServices(config),
    ...checkDeepChecks(config),
    ...checkAdmission(config),
    ...checkRoutes(config),
    ...checkFlows(config),
    ...checkListeners(config),
    ...checkAsked(config, 'forwardAuth'),
    ...checkAsked(config, 'extAuthz'),
    ...checkTellers(config),
    ...checkSidecar(config),
    ...checkRouteNames(config),
    ...checkTimes(config),
    ...checkPins(config),
    ...checkStore(config),
    ...checkReplay(config),
    ...checkEngines(config),
    ...checkBeyond(config),
    ...checkDecisions(config),
    ...checkOtlp(config),
  ]
}

function inDomain(config: Config, path: Path, id: string): ConfigFault[] {
  if (trustDomainOf(id) === config.trustDomain) return []
  return [
    {
      path,
      reason: `not in the trust domain \`${config.trustDomain}\``,
      next: 'correct it, or `trustDomain`',
    },
  ]
}

function checkServices(config: Config): ConfigFault[] {
  const seen = new Set<string>()
  return config.services.flatMap(({ id }, index) => {
    const path = ['services', index, 'id']
    const twice = seen.has(id) ? [{ path, reason: 'this service is listed twice' }] : []
    seen.add(id)
    return [...twice, ...inDomain(config, path, id)]
  })
}

function checkDeepChecks(config: Config): ConfigFault[] {
  const declared = new Set(config.services.map(({ id }) => id))
  const seen = new Set<string>()
  return config.attestations.perService.flatMap(({ service }, index) => {
    const path = ['attestations', 'perService', index, 'service']
    if (seen.has(service)) return [{ path, reason: 'this service is listed twice' }]
    seen.add(service)
    if (declared.has(service)) return inDomain(config, path, service)
    const next = `add \`- id: ${service}\` to \`services\``
    return [{ path, reason: 'this service is not listed under `services`', next }]
  })
}

function checkAdmission(config: Config): ConfigFault[] {
  const { rules, builders, requireAttestation } = config.admission
  const builderIds = builders.map(({ id }) => id)
  const first = new Map(builderIds.map((id, i): [string, number] => [id, i]).reverse())
  return [
    ...rules.flatMap(({ service }, i) =>
      patternInDomain(config, ['admission', 'rules', i, 'service'], service),
    ),
    ...requireAttestation
      .filter(({ service }) => service !== '**')
      .flatMap(({ service }, i) =>
        patternInDomain(config, ['admission', 'requireAttestation', i, 'service'], service),
      ),
    ...builderIds.flatMap((id, i) =>
      first.get(id) === i
        ? []
        : [{ path: ['admission', 'builders', i, 'id'], reason: 'this builder is listed twice' }],
    ),
  ]
}

// A pattern whose trust domain is itself a pattern could admit strangers.
function patternInDomain(config: Config, path: Path, pattern: string): ConfigFault[] {
  if (pattern.startsWith(`${config.trustDomain}/`)) return []
  return [
    {
      path,
      reason: `does not begin with the trust domain \`${config.trustDomain}/\``,
      next: 'write the trust domain out; `*` and `**` stand behind it',
    },
  ]
}

interface CheckedRoute extends Pick<RouteConfig, 'match' | 'service' | 'exempt'> {
  readonly onlyByName?: boolean
}

function checkRoutes(config: Config): ConfigFault[] {
  return [
    ...checkRoutesOf(config, 'gateway', config.gateway.routes),
    ...checkRoutesOf(config, 'forwardAuth', config.forwardAuth.routes),
    ...checkRoutesOf(config, 'extAuthz', config.extAuthz.routes),
  ]
}

function checkRoutesOf(config: Config, section: string, routes: readonly CheckedRoute[]): ConfigFault[] {
  const declared = new Set(config.services.map(({ id }) => id))
  const first = new Map<string, number>()
  const faults: ConfigFault[] = []
  for (const [index, route] of routes.entries()) {
    const path = [section, 'routes', index]
    faults.push(...checkRouteService(config, { route, path, declared }))
    const key = matchKey(route)
    const before = first.get(key)
    faults.push(...checkExempt(route, path))
    if (route.onlyByName === true) continue
    if (before === undefined) first.set(key, index)
    else faults.push({ path, reason: `never reached: ${section}.routes[${before}] takes the same requests` })
  }
  return faults
}

interface RoutePlace {
  readonly route: CheckedRoute
  readonly path: Path
  readonly declared: ReadonlySet<string>
}

function checkRouteService(config: Config, { route, path, declared }: RoutePlace): ConfigFault[] {
  const here = [...path, 'service']
  const foreign = inDomain(config, here, route.service)
  if (foreign.length > 0 || declared.has(route.service)) return foreign
  const next = `add \`- id: ${route.service}\` to \`services\``
  return [{ path: here, reason: 'this service is not listed under `services`', next }]
}

function matchKey({ match }: CheckedRoute): string {
  return JSON.stringify([
    match.host,
    match.path,
    match.methods === undefined ? [] : [...match.methods].sort(),
  ])
}

function checkExempt({ match, exempt }: CheckedRoute, path: Path): ConfigFault[] {
  const prefix = match.path.endsWith('/') ? match.path : `${match.path}/`
  return exempt.flatMap((row, i) =>
    row.path === match.path || row.path.startsWith(prefix)
      ? []
      : [
          {
            path: [...path, 'exempt', i, 'path'],
            reason: `not below \`${match.path}\`, which is all that this route takes`,
          },
        ],
  )
}

function checkListeners({ authority, gateway, store, telemetry }: Config): ConfigFault[] {
  const faults: ConfigFault[] = []
  if (authority.tls === undefined && !isLoopback(authority.listen.host)) {
    faults.push({
      path: ['authority', 'listen'],
      reason: 'credentials and tokens would travel unencrypted',
      next: 'listen on `127.0.0.1`, or give `authority.tls` a certificateFile and keyFile, or selfSigned: true',
    })
  }
  const instance = store.kind === 'postgres' ? store.instance : undefined
  if (instance !== undefined && authority.tls === undefined && !isLoopback(instance.listen.host)) {
    faults.push({
      path: ['store', 'postgres', 'instance', 'listen'],
      reason: 'credentials would travel unencrypted between instances',
      next: 'give `authority.tls` a certificateFile and keyFile, and `instance.caFile` their authority',
    })
  }
  if ((authority.socketMode & 0o007) !== 0) {
    faults.push({
      path: ['authority', 'socketMode'],
      reason: 'every user of this machine would be admin',
      next: 'write `"0600"`, or `"0660"` for a group',
    })
  }
  const { host, port } = authority.listen
  if (port !== 0 && port === gateway.listen.port && host === gateway.listen.host) {
    faults.push({ path: ['gateway', 'listen'], reason: 'the same address as `authority.listen`' })
  }
  for (const [name, taken] of [
    ['authority', authority.listen],
    ['gateway', gateway.listen],
  ] as const) {
    const own = telemetry.listen
    if (own !== undefined && own.port !== 0 && own.port === taken.port && own.host === taken.host) {
      faults.push({ path: ['telemetry', 'listen'], reason: `the same address as \`${name}.listen\`` })
    }
  }
  return faults
}

// Envoy names routes: of two with one name it could not say which.
function checkRouteNames({ extAuthz }: Config): ConfigFault[] {
  const seen = new Set<string>()
  const faults: ConfigFault[] = []
  for (const [at, { name, onlyByName }] of extAuthz.routes.entries()) {
    const path = ['extAuthz', 'routes', at]
    if (onlyByName && name === undefined)
      faults.push({ path: [...path, 'onlyByName'], reason: 'the route has no `name`' })
    if (name === undefined) continue
    if (seen.has(name)) faults.push({ path: [...path, 'name'], reason: `there is another route \`${name}\`` })
    seen.add(name)
  }
  return faults
}

function checkPins({ trust }: Config): ConfigFault[] {
  if (trust.rootThreshold <= Math.max(1, trust.rootThumbprints.length)) return []
  return [
    {
      path: ['trust', 'rootThreshold'],
      reason: 'more than there are thumbprints in `trust.rootThumbprints`',
      next: 'list all root keys that `qip keys root combine` printed',
    },
  ]
}

function checkTimes({ retention, trust, issuance, keys, heads }: Config): ConfigFault[] {
  const faults: ConfigFault[] = []
  if (trust.stateIntervalMs * 2 > trust.staleAfterMs) {
    faults.push({
      path: ['trust', 'stateInterval'],
      reason: 'more than half of `trust.staleAfter`: one lost state would stop all verifiers',
    })
  }
  if (trust.headIntervalMs > trust.stateIntervalMs) {
    faults.push({ path: ['trust', 'headInterval'], reason: 'more than `trust.stateInterval`' })
  }
  if (heads.listedWithinMs < 2 * trust.headIntervalMs) {
    faults.push({
      path: ['heads', 'listedWithin'],
      reason: 'less than twice `trust.headInterval`: good keys would be distrusted',
    })
  }
  if (retention.logsMs < retention.issuanceMs) {
    faults.push({
      path: ['retention', 'logs'],
      reason: 'less than `retention.issuance`: records would outlive the log that proves them',
    })
  }
  if (heads.reportedAfterMs > heads.listedWithinMs) {
    faults.push({
      path: ['heads', 'reportedAfter'],
      reason: 'more than `heads.listedWithin`: the key would be distrusted before the authority is asked',
    })
  }
  if (keys.rotation.scheduleMs['qip-token'] <= issuance.tokenTtlMs) {
    faults.push({
      path: ['keys', 'rotation', 'schedule', 'qip-token'],
      reason: 'not more than `issuance.tokenTtl`',
    })
  }
  return faults
}

function checkStore({ store }: Config): ConfigFault[] {
  if (store.kind !== 'sqlite') return []
  const way = relative(store.directory, store.highWaterDirectory)
  if (way !== '' && way.startsWith('..')) return []
  return [
    {
      path: ['store', 'highWater'],
      reason: 'inside of the store: restoring an older copy would restore this, too, and go unnoticed',
      next: 'choose a directory that backups of the store do not hold',
    },
  ]
}
