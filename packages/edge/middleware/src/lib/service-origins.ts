import type { CalledService, CalledServices, PlainHttp } from '../called-service.ts'

/**
 * Services by the origin they are called at, as `URL` spells it.
 *
 * @throws {TypeError} for an origin that is none or says more than that, for one that is there twice, and for plain HTTP to another machine.
 */
export function serviceOrigins(
  services: CalledServices,
  plainHttp: PlainHttp = 'loopback',
): ReadonlyMap<string, CalledService> {
  const byOrigin = new Map<string, CalledService>()
  for (const [text, service] of Object.entries(services)) {
    const origin = checkedOrigin(text, plainHttp)
    if (byOrigin.has(origin)) throw new TypeError(`\`${origin}\` is there twice: one origin is one service`)
    byOrigin.set(origin, service)
  }
  return byOrigin
}

function checkedOrigin(text: string, plainHttp: PlainHttp): string {
  const { protocol, hostname, origin, pathname, search, username } = new URL(text)
  // Two services behind one origin would need two entries, of which one would be for nothing.
  if (pathname !== '/' || search !== '' || username !== '')
    throw new TypeError(
      `\`${origin}\` is written with more than an origin: scheme, host and port are all of it`,
    )
  if (protocol === 'https:' || (protocol === 'http:' && plainHttp === 'anywhere')) return origin
  if (protocol === 'http:' && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)) return origin
  throw new TypeError(
    `tokens are bearer secrets: \`${origin}\` is not https; \`plainHttp: 'anywhere'\` sends them all the same`,
  )
}
