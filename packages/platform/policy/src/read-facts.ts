import { type FactSource, type Facts, factNames, factRow } from './facts.ts'

class SourceFacts {
  readonly source: FactSource

  constructor(source: FactSource) {
    this.source = source
  }
}

// One getter for each fact, on the prototype: making the facts of a request allocates one object, and
// what no condition asks for is never computed.
for (const name of factNames) {
  const { of } = factRow(name)
  Object.defineProperty(SourceFacts.prototype, name, {
    enumerable: true,
    get(this: SourceFacts) {
      return of(this.source)
    },
  })
}

/** The facts of a request, each read from `source` when it is asked for. */
export function factsOf(source: FactSource): Facts {
  return new SourceFacts(source) as unknown as Facts
}

/** Facts as a plain object, every one of them read: for records and explanations. */
export function snapshotFacts(facts: Facts): Facts {
  return Object.fromEntries(factNames.map((name) => [name, facts[name]])) as unknown as Facts
}
