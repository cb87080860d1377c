import type { Component } from '../../../../../scripts/real-components.ts'
import { guideBlock } from '../../../enforce/test/support/guides.ts'
import type { NginxOptions } from '../../../enforce/test/support/real-proxies.ts'
import { edgeScript } from '../../src/index.ts'

/** What differs from run to run in the configuration of the guide. */
export interface GuidePlaces {
  /** nginx's JavaScript module. */
  readonly module: Component
  /** The folder of the held state. */
  readonly directory: string
  readonly service: string
  /** Ports on the loopback. */
  readonly verifier: number
  readonly upstream: number
  readonly quarantine?: number
  readonly grpc?: number
}

/** The configuration of nginx that the guide gives, with the script, and with the addresses of a run. */
export function guideNginx(places: GuidePlaces): NginxOptions {
  const { module, directory, service, verifier, upstream, quarantine = upstream, grpc = upstream } = places
  return {
    main: `load_module ${module.command};`,
    http: guideBlock('nginx-in-proxy.md', 'nginx http', {
      'js_path /etc/nginx/njs;': 'js_path .;',
      '127.0.0.1:8460': `127.0.0.1:${verifier}`,
      '127.0.0.1:9000': `127.0.0.1:${upstream}`,
      '127.0.0.1:9001': `127.0.0.1:${quarantine}`,
      '127.0.0.1:9002': `127.0.0.1:${grpc}`,
    }),
    server: guideBlock('nginx-in-proxy.md', 'nginx server', {
      '/run/quantum-ip': directory,
      'spiffe://acme.example/ns/prod/sa/shop': service,
      '/var/log/nginx/quantum-ip.log': 'access.log',
      'location /trial': 'location /monitored',
      'location /reports': 'location ~ ^/(?:jailed|closed)(?:/|$)',
    }),
    files: { 'quantum-ip.js': edgeScript('nginx') },
  }
}
