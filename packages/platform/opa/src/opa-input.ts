import { type FactName, type Facts, factNames } from '@quantum-ip/policy'

// What differs from one second to the next: an answer that is kept for a while is kept in spite of it.
const passing: ReadonlySet<FactName> = new Set<FactName>(['env.timeS', 'build.ageS', 'build.attestationAgeS'])

/** Writes facts as an engine's input, always in the same order. `sent`: only these; absent: all. */
export class OpaInput {
  readonly #sent: readonly FactName[]
  readonly #kept: readonly FactName[]

  constructor(sent?: readonly FactName[]) {
    this.#sent = sent ?? factNames
    this.#kept = this.#sent.filter((name) => !passing.has(name))
  }

  /** The input as JSON: an object of facts by their names. */
  text(facts: Facts): string {
    return write(this.#sent, facts)
  }

  /** What a kept answer is found by: the same text is the same answer. Ages and the time are left out. */
  key(facts: Facts): string {
    return write(this.#kept, facts)
  }
}

function write(names: readonly FactName[], facts: Facts): string {
  let text = '{'
  for (const name of names) {
    text += `${text === '{' ? '' : ','}"${name}":${JSON.stringify(facts[name] ?? null)}`
  }
  return `${text}}`
}
