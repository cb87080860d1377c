import { type Facts, factNames, factRow } from '../facts.ts'

/** Facts as CEL reads them: 64-bit integers, null where nothing is known, nothing absent. */
export class CelFacts {
  readonly facts: Facts

  constructor(facts: Facts) {
    this.facts = facts
  }
}

for (const name of factNames) {
  const isInt = factRow(name).type === 'int'
  Object.defineProperty(CelFacts.prototype, name, {
    get(this: CelFacts) {
      // A fact that a caller left out is null, never "unresolved": CEL would otherwise try its prefixes.
      const value = this.facts[name] ?? null
      return isInt && typeof value === 'number' ? BigInt(value) : value
    },
  })
}
