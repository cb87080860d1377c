import { nearest } from '@quantum-ip/base'
import { parse } from '@bufbuild/cel'
import { type FactName, factNames, factRow, isFactName } from '../facts.ts'
import { policyLimits } from '../limits.ts'
import { type Place, PolicyError } from '../policy-errors.ts'
import type { Node, Quantifier } from './condition-tree.ts'
import { functionNames, operators } from './functions.ts'

/** What the library's parser gives. */
export type Parsed = ReturnType<typeof parse>
type Expr = Parsed['expr']
type Kind<Case> = Extract<Expr['exprKind'], { case: Case }>['value']

/**
 * Parses the text of a condition with the library's parser.
 *
 * @throws {PolicyError} `QIP_POLICY_CONDITION_MALFORMED`.
 */
export function parseCel(text: string, at: Place): Parsed {
  try {
    return parse(text)
  } catch (cause) {
    // "<input>:1:16: found = but expecting end of input": line and column from 1. A parser that runs out of stack
    // gives no position.
    const message = cause instanceof Error ? cause.message : ''
    const position = /^<input>:(\d+):(\d+): /.exec(message)
    const offset = position === null ? 0 : offsetOf(text, Number(position[1]), Number(position[2]))
    const reason = position === null ? 'not an expression' : shorten(message.slice(position[0].length))
    throw new PolicyError('QIP_POLICY_CONDITION_MALFORMED', { at, offset, reason })
  }
}

function offsetOf(text: string, line: number, column: number): number {
  const before = text.split('\n').slice(0, line - 1)
  return before.reduce((sum, each) => sum + each.length + 1, 0) + column - 1
}

function shorten(reason: string): string {
  return reason.length <= 80 ? reason : `${reason.slice(0, 80)}…`
}

const quantifiers: Readonly<Record<string, Quantifier>> = {
  exists: 'exists',
  all: 'all',
  exists_one: 'exists_one',
  existsOne: 'exists_one',
}

// The first segments of facts: no variable may take such a name, or a reader would misread it.
const reserved: ReadonlySet<string> = new Set(factNames.map((name) => name.split('.', 1)[0] as string))

/** Turns the library's tree into ours: facts resolved by their whole name, everything unknown refused. */
export class Lowering {
  readonly #parsed: Parsed
  readonly #place: Place
  #nodes = 0

  constructor(parsed: Parsed, place: Place) {
    this.#parsed = parsed
    this.#place = place
  }

  /** @throws {PolicyError} for whatever policies do not have, and past the limits. */
  condition(): Node {
    return this.#node(this.#parsed.expr, 1, new Set())
  }

  #node(expr: Expr, depth: number, variables: ReadonlySet<string>): Node {
    this.#nodes++
    if (this.#nodes > policyLimits.conditionNodesMax)
      throw this.#tooLarge('nodes', policyLimits.conditionNodesMax)
    if (depth > policyLimits.conditionDepthMax) throw this.#tooLarge('levels', policyLimits.conditionDepthMax)
    const at = this.#offset(expr)
    const { exprKind } = expr
    switch (exprKind.case) {
      case 'constExpr':
        return { at, kind: 'literal', value: this.#literal(exprKind.value, at) }
      case 'identExpr':
      case 'selectExpr':
        return this.#name(expr, variables)
      case 'listExpr':
        return {
          at,
          kind: 'list',
          items: exprKind.value.elements.map((item) => this.#node(item, depth + 1, variables)),
        }
      case 'callExpr':
        return this.#call({ at, call: exprKind.value }, depth, variables)
      case 'comprehensionExpr':
        return this.#quantifier({ at, expr, fold: exprKind.value }, depth, variables)
      case 'structExpr':
        throw this.#malformed(at, 'policies have no maps or messages')
      case undefined:
        throw this.#malformed(at, 'not an expression')
    }
  }

  #literal(constant: Kind<'constExpr'>, at: number): boolean | bigint | number | string | null {
    const { constantKind } = constant
    if (constantKind.case === 'nullValue') return null
    const { value } = constantKind
    if (constantKind.case !== 'uint64Value' && typeof value !== 'object' && value !== undefined) return value
    throw this.#malformed(at, 'policies have no bytes or unsigned numbers')
  }

  #name(expr: Expr, variables: ReadonlySet<string>): Node {
    const at = this.#start(expr)
    const path = dottedName(expr)
    if (path === undefined) throw this.#malformed(at, 'only facts have fields')
    if (path.testOnly) throw this.#hasRefused(at, path.name)
    if (variables.has(path.name)) return { at, kind: 'variable', name: path.name }
    if (!isFactName(path.name)) throw this.#factUnknown(at, path.name)
    return { at, kind: 'fact', name: path.name }
  }

  #call(
    { at, call }: { readonly at: number; readonly call: Kind<'callExpr'> },
    depth: number,
    variables: ReadonlySet<string>,
  ): Node {
    const operands = call.target === undefined ? call.args : [call.target, ...call.args]
    if (call.function === '_&&_' || call.function === '_||_') {
      const terms = flatten(call.function, operands).map((term) => this.#node(term, depth + 1, variables))
      return { at, kind: call.function === '_&&_' ? 'and' : 'or', terms }
    }
    if (call.function === 'has' && call.target === undefined) {
      const [operand] = call.args
      throw this.#hasRefused(at, operand === undefined ? '' : (dottedName(operand)?.name ?? ''))
    }
    const name = operators.get(call.function) ?? call.function
    if (!functionNames.has(name)) throw this.#functionUnknown(at, name)
    const args = operands.map((operand) => this.#node(operand, depth + 1, variables))
    const [first, second, third] = args
    if (name === '!' && first !== undefined) return { at, kind: 'not', term: first }
    if (name === '?:' && first !== undefined && second !== undefined && third !== undefined) {
      return { at, kind: 'choice', condition: first, yes: second, no: third }
    }
    return { at, kind: 'call', name, args }
  }

  #quantifier(
    {
      at,
      expr,
      fold,
    }: { readonly at: number; readonly expr: Expr; readonly fold: Kind<'comprehensionExpr'> },
    depth: number,
    variables: ReadonlySet<string>,
  ): Node {
    const call = this.#parsed.sourceInfo?.macroCalls[String(expr.id)]?.exprKind
    const name = call?.case === 'callExpr' ? call.value.function : ''
    const macro = Object.hasOwn(quantifiers, name) ? quantifiers[name] : undefined
    const step = fold.loopStep?.exprKind.case === 'callExpr' ? fold.loopStep.exprKind.value.args : []
    // exists: accu || test; all: accu && test; exists_one: test ? accu + 1 : accu.
    const body = macro === 'exists_one' ? step[0] : step[1]
    if (macro === undefined || body === undefined || fold.iterRange === undefined) {
      throw this.#functionUnknown(at, name)
    }
    const variable = fold.iterVar
    if (reserved.has(variable) || variables.has(variable)) {
      throw this.#malformed(at, `the variable \`${variable}\` has the name of something else`)
    }
    const inner = new Set([...variables, variable])
    return {
      at,
      kind: 'quantifier',
      macro,
      variable,
      range: this.#node(fold.iterRange, depth + 1, variables),
      body: this.#node(body, depth + 1, inner),
    }
  }

  #offset(expr: Expr): number {
    return this.#parsed.sourceInfo?.positions[String(expr.id)] ?? 0
  }

  // The position of `a.b` is its dot; people look at the beginning.
  #start(expr: Expr): number {
    let first = expr
    while (first.exprKind.case === 'selectExpr' && first.exprKind.value.operand !== undefined) {
      first = first.exprKind.value.operand
    }
    return this.#offset(first)
  }

  #malformed(offset: number, reason: string): PolicyError {
    return new PolicyError('QIP_POLICY_CONDITION_MALFORMED', { at: this.#place, offset, reason })
  }

  #tooLarge(what: string, limit: number): PolicyError {
    return new PolicyError('QIP_POLICY_LIMIT_EXCEEDED', {
      at: this.#place,
      what: `${what} of a condition`,
      limit,
    })
  }

  #factUnknown(offset: number, fact: string): PolicyError {
    const shown = fact.slice(0, 64)
    return new PolicyError('QIP_POLICY_FACT_UNKNOWN', {
      at: this.#place,
      offset,
      fact: shown,
      nearest: nearest(shown, factNames),
    })
  }

  #functionUnknown(offset: number, name: string): PolicyError {
    const shown = name.slice(0, 64)
    return new PolicyError('QIP_POLICY_FUNCTION_UNKNOWN', {
      at: this.#place,
      offset,
      name: shown,
      nearest: nearest(
        shown,
        [...functionNames, ...Object.keys(quantifiers)].filter((known) => /\w/.test(known)),
      ),
    })
  }

  #hasRefused(offset: number, name: string): PolicyError {
    if (!isFactName(name)) return this.#factUnknown(offset, name)
    return new PolicyError('QIP_POLICY_HAS_REFUSED', { at: this.#place, offset, instead: presenceOf(name) })
  }
}

/** How to ask whether a fact is known. */
export function presenceOf(name: FactName): string {
  const { type, nullable } = factRow(name)
  if (nullable) return `\`${name} != null\``
  switch (type) {
    case 'bool':
      return `\`${name}\``
    case 'int':
      return `\`${name} != 0\``
    case 'string':
      return `\`${name} != ""\``
    case 'list':
      return `\`size(${name}) > 0\``
  }
}

function dottedName(expr: Expr): { readonly name: string; readonly testOnly: boolean } | undefined {
  const { exprKind } = expr
  if (exprKind.case === 'identExpr') return { name: exprKind.value.name, testOnly: false }
  if (exprKind.case !== 'selectExpr' || exprKind.value.operand === undefined) return undefined
  const parent = dottedName(exprKind.value.operand)
  if (parent === undefined) return undefined
  return {
    name: `${parent.name}.${exprKind.value.field}`,
    testOnly: exprKind.value.testOnly || parent.testOnly,
  }
}

// The parser balances `a && b && c` into a tree; here it is one chain again.
function flatten(operator: string, terms: readonly Expr[]): readonly Expr[] {
  return terms.flatMap((term) => {
    const { exprKind } = term
    if (exprKind.case !== 'callExpr' || exprKind.value.function !== operator) return [term]
    return flatten(operator, exprKind.value.args)
  })
}
