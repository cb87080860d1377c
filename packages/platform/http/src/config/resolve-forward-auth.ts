import type { ExemptConfig, ForwardedCertificatesConfig, RouteConfig, TlsConfig } from './config.ts'
import type { AskedRouteConfig, ForwardAuthConfig, ForwardRouteConfig } from './config-forward-auth.ts'
import type { Section } from './section.ts'

/** The typed section `forwardAuth`. */
export function resolveForwardAuth(
  at: Section,
  tls: (at: Section | undefined) => TlsConfig | undefined,
): ForwardAuthConfig {
  return {
    name: at.text('name'),
    listen: at.listen('listen'),
    tls: tls(at.optionalSection('tls')),
    threads: at.isNumber('threads') ? at.integer('threads') : 'auto',
    detail: at.word('detail', 'detail'),
    peers: at.optionalTexts('peers'),
    clientCertificates: resolveClientCertificates(at.optionalSection('clientCertificates')),
    routes: at.sections('routes').map(route),
  }
}

function route(at: Section): ForwardRouteConfig {
  return { ...resolveAskedRoute(at), bodyBytesHeld: at.bytes('bodyMax') }
}

/** A route of a point that is asked. */
export function resolveAskedRoute(at: Section): AskedRouteConfig {
  return { ...resolveRouteTerms(at), quarantine: at.word('quarantine', 'forwardQuarantine') }
}

/** How proxies in front say which certificate a client showed. */
export function resolveClientCertificates(at: Section | undefined): ForwardedCertificatesConfig | undefined {
  return at && { from: at.word('from', 'certificateSource'), peers: at.texts('peers') }
}

/** What routes of every point have. */
export function resolveRouteTerms(
  at: Section,
): Pick<RouteConfig, 'match' | 'service' | 'policy' | 'forwardToken' | 'standalone' | 'exempt'> {
  const match = at.section('match')
  return {
    match: {
      host: match.optionalText('host'),
      path: match.text('path'),
      methods: match.optionalTexts('methods'),
    },
    service: at.text('service'),
    policy: at.optionalText('policy'),
    forwardToken: at.flag('forwardToken'),
    standalone: at.flag('standalone'),
    exempt: resolveExempt(at),
  }
}

/** What passes without a token. */
export function resolveExempt(at: Section): readonly ExemptConfig[] {
  return at
    .sections('exempt')
    .map((row) => ({ path: row.text('path'), methods: row.optionalTexts('methods') }))
}
