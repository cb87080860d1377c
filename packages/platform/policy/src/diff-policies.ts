import type { Consequence, Defaults, PolicyDocument, PolicyException, Quarantine, Rule } from './document.ts'

/** One difference in what two policies mean. */
export interface PolicyChange {
  readonly kind: 'added' | 'removed' | 'changed' | 'moved'
  /** What differs, such as `rule unattested-builds`, `default verified` or `mode`. */
  readonly what: string
  /** As it was; absent for what is new. */
  readonly before?: string
  /** As it is; absent for what is gone. */
  readonly after?: string
}

/**
 * What differs between two policies, by what they mean: comments, order of keys and spellings are left out. Rules are told apart by
 * their names; one that stands at another place among the rules that both have is `moved`, since the first that holds decides.
 */
export function diffPolicies(before: PolicyDocument, after: PolicyDocument): readonly PolicyChange[] {
  return [
    ...changed('mode', modeText(before), modeText(after)),
    ...changed('anonymous', String(before.anonymous), String(after.anonymous)),
    ...changed('quarantine', quarantineText(before.quarantine), quarantineText(after.quarantine)),
    ...diffNamed('exception', before.exceptions, after.exceptions),
    ...diffNamed('rule', before.rules, after.rules),
    ...moves(before.rules, after.rules),
    ...diffDefaults(before.defaults, after.defaults),
  ]
}

function changed(what: string, before: string | undefined, after: string | undefined): PolicyChange[] {
  if (before === after) return []
  const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
  return [{ kind, what, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }]
}

type NamedRule = Rule | PolicyException

function diffNamed(what: string, before: readonly NamedRule[], after: readonly NamedRule[]): PolicyChange[] {
  const names = new Set([...before, ...after].map(({ name }) => name))
  const [had, has] = [byName(before), byName(after)]
  return [...names].flatMap((name) =>
    changed(`${what} ${name}`, textOf(had.get(name)), textOf(has.get(name))),
  )
}

function byName(rules: readonly NamedRule[]): ReadonlyMap<string, NamedRule> {
  return new Map(rules.map((rule) => [rule.name, rule]))
}

function moves(before: readonly Rule[], after: readonly Rule[]): PolicyChange[] {
  const [had, has] = [byName(before), byName(after)]
  const was = before.flatMap(({ name }) => (has.has(name) ? [name] : []))
  const is = after.flatMap(({ name }) => (had.has(name) ? [name] : []))
  return is.flatMap((name, at) => {
    const from = was.indexOf(name)
    if (from === at) return []
    return [
      { kind: 'moved' as const, what: `rule ${name}`, before: `place ${from + 1}`, after: `place ${at + 1}` },
    ]
  })
}

function textOf(rule: NamedRule | undefined): string | undefined {
  if (rule === undefined) return undefined
  const { name: _, when, reasons, anonymous, action, deferred, quarantine, ...others } = rule
  const parts = [
    consequenceText({ action, deferred, quarantine }),
    ...(when === null ? [] : [`when ${when.replaceAll(/\s+/g, ' ').trim()}`]),
    ...(reasons === null ? [] : [`for ${[...reasons].sort().join(', ')}`]),
    ...(anonymous ? ['anonymous'] : []),
    // What a later version of the language adds counts, too.
    ...Object.entries(others).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
  ]
  return parts.join(', ')
}

function diffDefaults(before: Defaults, after: Defaults): PolicyChange[] {
  const [had, has] = [rowsOf(before), rowsOf(after)]
  return [...new Set([...had.keys(), ...has.keys()])].flatMap((key) => {
    const [from, to] = [had.get(key), has.get(key)]
    return changed(`default ${key}`, from && consequenceText(from), to && consequenceText(to))
  })
}

function rowsOf({ byStatus, byReason }: Defaults): ReadonlyMap<string, Consequence> {
  return new Map(Object.entries<Consequence>({ ...byStatus, ...byReason }))
}

function consequenceText({ action, deferred, quarantine }: Consequence): string {
  return [
    action,
    ...(deferred ? ['deferred'] : []),
    ...(quarantine === null ? [] : [quarantineText(quarantine)]),
  ].join(' ')
}

function modeText({ mode, canaryPercent }: PolicyDocument): string {
  return canaryPercent === null ? mode : `${mode} ${canaryPercent}%`
}

function quarantineText(quarantine: Quarantine): string {
  switch (quarantine.kind) {
    case 'upstream':
      return `to upstream ${quarantine.upstream}`
    case 'limit':
      return `${quarantine.ratePerS}/s, ${quarantine.concurrency} at once`
    case 'share':
      return `share ${quarantine.percent}%`
  }
}
