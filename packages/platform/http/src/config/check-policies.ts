import type { Json } from '@quantum-ip/base'
import { isNode } from '../lib/schema-tree.ts'
import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'

/** Whether each engine is a server or a module. */
export function checkPoliciesShape(policies: Json | undefined): ConfigFault[] {
  const engines = isNode(policies) ? policies['engines'] : undefined
  if (!Array.isArray(engines)) return []
  return engines.flatMap((engine, index) => {
    if (!isNode(engine)) return []
    const { opa } = engine
    return checkOpa(isNode(opa) ? opa : {}, ['policies', 'engines', index, 'opa'])
  })
}

function checkOpa(opa: Readonly<Record<string, unknown>>, path: ConfigFault['path']): ConfigFault[] {
  const { server, wasm } = opa
  if ((server === undefined) === (wasm === undefined)) {
    const reason = server === undefined ? 'lacks `server` or `wasm`' : 'has both `server` and `wasm`'
    return [{ path, reason, next: 'give a server, or a module' }]
  }
  if (!isNode(server) || server['url'] !== undefined) return []
  return [{ path: [...path, 'server'], reason: 'lacks `url`', next: 'write `http://127.0.0.1:8181`' }]
}

/** Whether engines have names of their own. */
export function checkEngines({ policies }: Config): ConfigFault[] {
  const seen = new Set<string>()
  return policies.engines.flatMap(({ name }, index) => {
    const twice = seen.has(name)
    seen.add(name)
    return twice
      ? [{ path: ['policies', 'engines', index, 'name'], reason: 'this engine is listed twice' }]
      : []
  })
}
