// What decides by a policy that is compiled already. Without CEL, which is most of this package: whoever starts often, and has
// no condition to compile, loads none of it. `deciding.test.ts` keeps it out.
export { builtinPolicy } from './builtin-policy.ts'
export { decideWith } from './decide-with.ts'
export { asksEngine, decide } from './decide.ts'
export { factNames, factRow, isFactName } from './facts.ts'
export { factsOf, snapshotFacts } from './read-facts.ts'
