import { type FactName, type FactValue, type Facts, factNames, factRow, isFactName } from '../facts.ts'
import { statusByReason, isReason } from '../verdict-reasons.ts'
import type { Reader } from './reader.ts'

const textCharsMax = 8_192

/** Facts by their names, each of the type and out of the set that the schema gives. */
export function readFacts(reader: Reader | undefined): Partial<Facts> {
  if (reader === undefined) return {}
  const facts: Partial<Record<FactName, FactValue>> = {}
  for (const [name, member] of reader.object(factNames)) {
    if (isFactName(name)) facts[name] = readFact(name, member)
  }
  checkStatus(facts, reader)
  return facts as Partial<Facts>
}

function readFact(name: FactName, reader: Reader): FactValue {
  const { type, nullable, values, sizeMax = 0 } = factRow(name)
  if (reader.value === null) {
    if (nullable) return null
    throw reader.invalid(`a ${type}: \`${name}\` is never null`)
  }
  switch (type) {
    case 'bool':
      return reader.bool()
    case 'int':
      if (!Number.isSafeInteger(reader.value)) throw reader.invalid('a whole number')
      return reader.value as number
    case 'string':
      return values === undefined ? readText(reader) : reader.oneOf(values)
    case 'list':
      return reader.list('strings', sizeMax).map((item) => readText(item))
  }
}

function readText(reader: Reader): string {
  if (reader.value === '') return ''
  return reader.text('a text', textCharsMax)
}

// A status without its reason would be a verdict that does not exist.
function checkStatus(facts: Partial<Record<FactName, FactValue>>, reader: Reader): void {
  const status = facts['verdict.status']
  const reason = facts['verdict.reason'] ?? 'ok'
  if (
    status === undefined ||
    (typeof reason === 'string' && isReason(reason) && statusByReason[reason] === status)
  )
    return
  throw reader.invalid(`\`verdict.reason\`, of which \`verdict.status\` is a consequence`)
}
