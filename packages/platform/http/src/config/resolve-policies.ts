import type { EngineConfig, OpaConfig, PoliciesConfig } from './config-policies.ts'
import type { Section } from './section.ts'

/** Reads `policies`. */
export function resolvePolicies(at: Section): PoliciesConfig {
  return {
    files: at.paths('files'),
    authority: at.texts('authority'),
    engines: at
      .sections('engines')
      .map((engine): EngineConfig => ({ name: engine.text('name'), opa: opa(engine.section('opa')) })),
  }
}

function opa(at: Section): OpaConfig {
  const asked = { path: at.text('path'), facts: at.optionalTexts('facts') }
  const server = at.optionalSection('server')
  if (server === undefined) return { ...asked, kind: 'wasm', file: at.path('wasm') }
  return {
    ...asked,
    kind: 'server',
    url: server.text('url').replace(/\/$/, ''),
    caFile: server.optionalPath('caFile'),
    timeoutMs: server.durationMs('timeout'),
    inFlightMax: server.integer('inFlight'),
    cacheMs: server.durationMs('cache'),
    cacheMax: server.integer('cacheEntries'),
  }
}
