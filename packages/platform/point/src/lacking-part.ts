import type { CompiledPolicy } from '@quantum-ip/policy'

/** What there is at a point for policies to name. */
export interface NameableParts {
  /** Whether quarantined requests can be sent to the upstream of this name. */
  readonly hasUpstream: (name: string) => boolean
  readonly engines: ReadonlyMap<string, unknown> | undefined
}

/** What a policy names and a point has not, in words that follow the policy's name; `undefined` where it can be carried out. */
export function lackingPart(
  policy: CompiledPolicy,
  { hasUpstream, engines }: NameableParts,
): string | undefined {
  for (const upstream of quarantineNames(policy)) {
    if (!hasUpstream(upstream)) return `names the quarantine upstream \`${upstream}\`, which is not there`
  }
  const engine = policy.engine?.name
  if (engine === undefined || engines?.has(engine) === true) return undefined
  return `asks the engine \`${engine}\`, which is not there`
}

function quarantineNames({ exceptions, rules, engine, defaults }: CompiledPolicy): Set<string> {
  const names = new Set<string>()
  for (const { quarantine } of [
    ...exceptions,
    ...rules,
    ...(engine === null ? [] : [engine.quarantine]),
    ...defaults.values(),
  ]) {
    if (quarantine?.kind === 'upstream') names.add(quarantine.upstream)
  }
  return names
}
