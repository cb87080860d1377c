import type { Json, JsonObject } from '@quantum-ip/base'
import { isObject } from './json.ts'

const done: Readonly<Record<string, string>> = {
  allow: 'allowed',
  reject: 'rejected',
  quarantine: 'quarantined',
}

/** What would have changed a decision, in a sentence: "allowed if `build.slsaLevel` were 3 (is 2)". */
export function counterfactualText({ action, changes, implied, rule, exception }: JsonObject): string {
  const conditions = objects(changes).map(({ fact, from, to }) => {
    return `\`${word(fact)}\` were ${value(to)} (is ${value(from)})`
  })
  const by =
    typeof exception === 'string'
      ? `, by exception ${exception}`
      : typeof rule === 'string'
        ? `, by rule ${rule}`
        : ''
  const more = objects(implied).length > 0 ? ', with what follows from it' : ''
  return `${done[word(action)] ?? word(action)} if ${conditions.join(' and ')}${more}${by}`
}

function objects(list: Json | undefined): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter((item) => isObject(item)) : []
}

function word(text: Json | undefined): string {
  return typeof text === 'string' ? text : ''
}

function value(of: Json | undefined): string {
  if (of === undefined || of === null) return 'unknown'
  return typeof of === 'string' && of.length > 64 ? `"${of.slice(0, 64)}…"` : JSON.stringify(of)
}
