import { choice, duration, flag, item, label, list, listen, section, size } from './fields.ts'
import { askedFields, askedRoute, askedService } from './schema-forward-auth.ts'
import { words } from './words.ts'

const route = item(
  { service: askedService },
  {
    name: label({
      description: 'what `quantum_ip.route` in `context_extensions` names it by; absent: host and path',
    }),
    onlyByName: flag({
      description: 'counts only where it is named so: several routes of one match',
      default: false,
    }),
    ...askedRoute,
  },
)

/** Envoy's ext_authz over gRPC. */
export const extAuthz = section(
  "Envoy's ext_authz over gRPC: the server that Envoy asks; limits, overload and quarantine are those of gateway",
  {
    name: label({ description: 'the name of this enforcement point', default: 'ext-authz' }),
    listen: listen({ description: 'address and port', default: '127.0.0.1:8470' }),
    ...askedFields,
    clientCertificates: choice(words.checkCertificates, {
      description:
        'where the certificate of the client is read: `peer` in what `include_peer_certificate` sends, `xfcc` in x-forwarded-client-cert; absent: nowhere',
    }),
    messageMax: size({
      description: 'of one question, with the body that Envoy sends',
      default: '4MiB',
      min: '64KiB',
      max: '64MiB',
    }),
    drain: duration({
      description: 'how long a server that stops goes on answering, having said NOT_SERVING',
      default: '5s',
      min: '0s',
      max: '5m',
    }),
    routes: list(route, { description: 'the first that matches counts', maxItems: 10_000 }),
  },
)
