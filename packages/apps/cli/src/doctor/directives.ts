import type { FateKind } from './fate.ts'
import type { Product } from './locate.ts'

type Directives = Readonly<Record<Product, string>>

const pass: Directives = {
  nginx: 'remove `proxy_set_header Quantum-IP …` and `proxy_pass_request_headers off`',
  haproxy: 'remove `http-request del-header` for `quantum-ip`',
  envoy: 'take `quantum-ip` out of `request_headers_to_remove`',
}

const keepName: Directives = {
  nginx: 'pass it as it is: `proxy_set_header Quantum-IP $http_quantum_ip;` and no copy under another name',
  haproxy:
    'remove `http-request set-header … %[req.hdr(quantum-ip)]` and `del-header`; check `h1-case-adjust`',
  envoy: 'remove the header mutation (`request_headers_to_add`, `request_headers_to_remove`) of the route',
}

const keepValue: Directives = {
  nginx: 'pass `$http_quantum_ip` whole: no `map` with a pattern that cuts it',
  haproxy: 'remove `http-request replace-header` (or `set-header` with a converter) for `quantum-ip`',
  envoy: 'remove the Lua or mutation filter that rewrites it',
}

const room: Directives = {
  nginx: '`large_client_header_buffers 4 32k;` (and `client_header_buffer_size`)',
  haproxy: '`tune.bufsize 32768` and `tune.http.maxhdr`',
  envoy: '`max_request_headers_kb: 64` of the HTTP connection manager',
}

const byFate: { readonly [kind in FateKind]?: Directives } = {
  stripped: pass,
  renamed: keepName,
  truncated: keepValue,
  changed: keepValue,
  doubled: keepName,
  refused: room,
}

const titles: Readonly<Record<Product, string>> = { nginx: 'nginx', haproxy: 'HAProxy', envoy: 'Envoy' }

/** What to change in the configuration of a proxy; of each one that is known, where it does not say which it is. */
export function directiveFor(kind: FateKind, product: Product | undefined): string | undefined {
  const directives = byFate[kind]
  if (directives === undefined) return undefined
  const gateway = kind === 'refused' ? '; gateway: `gateway.limits.headerBytes`' : ''
  if (product !== undefined) return `${titles[product]}: ${directives[product]}${gateway}`
  const each = (Object.keys(titles) as Product[]).map((name) => `${titles[name]}: ${directives[name]}`)
  return each.join('; ') + gateway
}
