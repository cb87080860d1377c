import { Type } from 'typebox'
import {
  choice,
  flag,
  form,
  item,
  kind,
  label,
  list,
  listen,
  optionalSection,
  section,
  size,
} from './fields.ts'
import { tlsFields } from './schema-authority.ts'
import { exempt, forwardedCertificates, match } from './schema-gateway.ts'
import { words } from './words.ts'

/** What the service of a route is. */
export const askedService = kind('service', {
  description: 'the service behind the proxy, which tokens must be for',
})

/** What routes of every point have that proxies ask. */
export const askedRoute = {
  match,
  policy: label({ description: 'the name of a policy; absent: the built-in one, which rejects' }),
  forwardToken: flag({ description: 'tell the proxy to leave the token on the request', default: false }),
  standalone: flag({ description: 'take tokens that carry their own signatures', default: false }),
  exempt,
  quarantine: choice(words.forwardQuarantine, {
    description:
      'limited: at the rate or share of the policy; routed: the proxy sends what is marked `quarantine` elsewhere',
    default: 'limited',
  }),
}

/** What every point has that proxies ask. */
export const askedFields = {
  tls: optionalSection('TLS 1.3 of this listener; absent: in the clear', tlsFields),
  threads: Type.Union([Type.Integer({ minimum: 1, maximum: 256 }), choice(['auto'], {})], {
    description: 'threads on one port, `auto` is one per core; more than one needs Linux or BSD',
    default: 1,
  }),
  detail: choice(words.detail, {
    description: 'how much a refusal tells callers that are not authenticated',
    default: 'public',
  }),
  peers: list(
    form({
      description: 'a proxy',
      pattern: '^(?:unix|[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?)$',
      form: 'an address, a CIDR block or `unix`',
    }),
    {
      description: 'who may ask, and is believed about the original request; absent: this machine',
      maxItems: 1_000,
      minItems: 1,
      absent: true,
    },
  ),
}

const route = item(
  { service: askedService },
  {
    ...askedRoute,
    bodyMax: size({
      description:
        'of a body that the proxy sends whole with its question (Envoy: `with_request_body`), so that tokens bound to it can be checked; 0B: none is read',
      default: '0B',
      max: '16MiB',
    }),
  },
)

/** Forward authentication. */
export const forwardAuth = section(
  'forward authentication: the endpoint that proxies ask; limits, overload and quarantine are those of gateway',
  {
    name: label({ description: 'the name of this enforcement point', default: 'forward-auth' }),
    listen: listen({ description: 'address and port', default: '127.0.0.1:8460' }),
    ...askedFields,
    clientCertificates: forwardedCertificates,
    routes: list(route, { description: 'the first that matches counts', maxItems: 10_000 }),
  },
)
