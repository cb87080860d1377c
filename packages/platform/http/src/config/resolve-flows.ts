import type { FlowConfig } from './config-flows.ts'
import type { Section } from './section.ts'

/** One item of `gateway.flows`. */
export function resolveFlow(at: Section): FlowConfig {
  return {
    name: at.text('name'),
    listen: at.listen('listen'),
    service: at.text('service'),
    upstream: at.listen('upstream'),
    quarantineUpstream: at.has('quarantineUpstream') ? at.listen('quarantineUpstream') : undefined,
    policy: at.optionalText('policy'),
    peers: at.texts('peers'),
    send: at.word('send', 'flowSend'),
    idleTimeoutMs: at.durationMs('idleTimeout'),
  }
}
