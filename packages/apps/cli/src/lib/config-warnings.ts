import { parsePattern } from '@quantum-ip/base'
import type { Config } from '@quantum-ip/http'

/** What a good configuration says that probably is not meant, in sentences: nothing is wrong, and nothing would work. */
export function configWarnings(config: Config): readonly string[] {
  return [...buildersWithoutRule(config), ...servicesWithoutRule(config)]
}

function buildersWithoutRule({ admission }: Config): readonly string[] {
  const rules = admission.rules.map(({ builder }) => parsePattern(builder))
  return admission.builders
    .filter(({ id }) => !rules.some((rule) => rule.matches(id)))
    .map(({ id }) => `no admission rule names the builder \`${id}\`: what it builds may be no service`)
}

/** Only callers need a rule; where there are rules at all, a service without one is worth a word. */
function servicesWithoutRule({ admission, services }: Config): readonly string[] {
  if (admission.rules.length === 0) return []
  const rules = admission.rules.map(({ service }) => parsePattern(service))
  return services
    .filter(({ id }) => !rules.some((rule) => rule.matches(id)))
    .map(({ id }) => `no admission rule is for \`${id}\`: it can be called, and cannot call`)
}
