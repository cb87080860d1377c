import type { TlsConfig } from './config.ts'
import type { DestinationConfig, SidecarConfig } from './config-sidecar.ts'
import { resolveExempt } from './resolve-forward-auth.ts'
import type { Section } from './section.ts'

/** The typed section `sidecar`. */
export function resolveSidecar(
  at: Section,
  tls: (at: Section | undefined) => TlsConfig | undefined,
): SidecarConfig {
  const outbound = at.section('outbound')
  const workload = at.section('workload')
  const tokens = at.section('tokens')
  const calls = at.section('calls')
  const group = workload.integer('socketGroup')
  return {
    name: at.text('name'),
    service: at.optionalText('service'),
    upstream: at.optionalOrigin('upstream'),
    listen: at.listen('listen'),
    tls: tls(at.optionalSection('tls')),
    detail: at.word('detail', 'detail'),
    policy: at.optionalText('policy'),
    standalone: at.flag('standalone'),
    exempt: resolveExempt(at),
    outbound: {
      listen: outbound.listen('listen'),
      proofKey: outbound.word('proofKey', 'proofKey'),
      destinations: outbound.sections('destinations').map(destination),
    },
    workload: {
      socket: workload.path('socket'),
      socketMode: Number.parseInt(workload.text('socketMode'), 8),
      socketGroup: group === 0 ? undefined : group,
      connectionsMax: workload.integer('connections'),
      inFlightMax: workload.integer('inFlight'),
    },
    tokens: {
      warm: tokens.texts('warm'),
      audiencesMax: tokens.integer('audiences'),
      drawFirst: tokens.integer('drawFirst'),
      drawMax: tokens.integer('drawMax'),
      lowWater: tokens.share('lowWater'),
    },
    calls: { heldMax: calls.integer('held'), lifetimeMs: calls.durationMs('lifetime') },
  }
}

function destination(at: Section): DestinationConfig {
  const host = at.text('host')
  return {
    host,
    service: at.text('service'),
    upstream: at.optionalOrigin('upstream') ?? `http://${host}`,
    upstreamCaFile: at.optionalPath('upstreamCaFile'),
    oneTime: at.flag('oneTime'),
    proof: at.flag('proof'),
    chain: at.word('chain', 'sidecarChain'),
  }
}
