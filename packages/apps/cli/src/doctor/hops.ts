import { CliError } from '../cli-errors.ts'

/** A place at which probes are sent: the service as clients call it, or an address further in. */
export interface DoctorHop {
  readonly name: string
  /** Where the connection goes. */
  readonly origin: string
}

/** The way to a gateway: what is asked for, and the places from the client inwards. */
export interface DoctorWay {
  /** Path and query. */
  readonly target: string
  /** What `Host` says, and the name that TLS asks for, at each place. */
  readonly host: string
  readonly serverName: string
  /** The service as clients call it, then inwards. */
  readonly hops: readonly DoctorHop[]
}

const hopsMax = 8

/**
 * Reads the service's URL and `--hop name=url` of each place behind it, from the outside to the gateway. All are sent the same request,
 * with the service's host and path: only the connection goes elsewhere.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseWay(url: string, hops: readonly string[]): DoctorWay {
  const service = parseUrl(url)
  if (hops.length > hopsMax) throw usage(`--hop is given ${hopsMax} times at most`)
  const inner = hops.map((text) => parseHop(text))
  const names = new Set(['service', ...inner.map(({ name }) => name)])
  if (names.size !== inner.length + 1) throw usage('each --hop has a name of its own, and none is `service`')
  return {
    target: service.pathname + service.search,
    host: service.host,
    serverName: service.hostname,
    hops: [{ name: 'service', origin: service.origin }, ...inner],
  }
}

function parseHop(text: string): DoctorHop {
  const [, name, url] = /^([A-Za-z0-9][\w.-]{0,31})=(.+)$/s.exec(text) ?? []
  if (name === undefined || url === undefined) throw usage(`\`${text.slice(0, 80)}\` is no \`name=url\``)
  const { origin, pathname, search } = parseUrl(url)
  if (pathname !== '/' || search !== '') throw usage(`the hop \`${name}\` is an address only: \`${origin}\``)
  return { name, origin }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.hash !== '')
    throw usage(`\`${text.slice(0, 80)}\` is no http or https URL`)
  return url
}

function usage(reason: string): CliError {
  return new CliError('QIP_CLI_USAGE', {
    reason,
    next: 'for example: `qip doctor https://shop.acme.example/orders --hop ingress=http://10.0.0.7:80`',
  })
}
