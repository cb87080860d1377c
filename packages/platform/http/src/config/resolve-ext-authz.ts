import type { TlsConfig } from './config.ts'
import type { ExtAuthzConfig, ExtAuthzRouteConfig } from './config-ext-authz.ts'
import { resolveAskedRoute } from './resolve-forward-auth.ts'
import type { Section } from './section.ts'

/** The typed section `extAuthz`. */
export function resolveExtAuthz(
  at: Section,
  tls: (at: Section | undefined) => TlsConfig | undefined,
): ExtAuthzConfig {
  return {
    name: at.text('name'),
    listen: at.listen('listen'),
    tls: tls(at.optionalSection('tls')),
    threads: at.isNumber('threads') ? at.integer('threads') : 'auto',
    detail: at.word('detail', 'detail'),
    peers: at.optionalTexts('peers'),
    clientCertificates:
      at.optionalText('clientCertificates') === undefined
        ? undefined
        : at.word('clientCertificates', 'checkCertificates'),
    messageBytesMax: at.bytes('messageMax'),
    drainMs: at.durationMs('drain'),
    routes: at.sections('routes').map(route),
  }
}

function route(at: Section): ExtAuthzRouteConfig {
  return { ...resolveAskedRoute(at), name: at.optionalText('name'), onlyByName: at.flag('onlyByName') }
}
