import type {
  CompiledConsequence,
  CompiledEngine,
  CompiledException,
  CompiledPolicy,
  CompiledRule,
} from './assemble-policy.ts'
import { inCanary } from './canary.ts'
import type { Decision, DecisionReason, ExceptionUse, PolicyObserver } from './decision.ts'
import type { Action } from './document.ts'
import type { EngineAnswer } from './engine.ts'
import type { Facts } from './facts.ts'
import { CelFacts } from './lib/cel-facts.ts'
import { reaches } from './lib/reach.ts'
import { policyLimits } from './limits.ts'

/**
 * Decides over a request: the first exception that holds and has not ended, else the first rule whose condition holds, else the
 * default for the verdict.
 *
 * A value, without I/O; the same facts give the same decision. A rule that cannot speak for the
 * verdict is passed over. A condition that fails to evaluate never counts as true and ends the search: the
 * rule's own action holds if that is not allow, else reject. An exception whose condition fails is passed over:
 * the rules decide as if it were not there.
 *
 * `answer` is what the policy's engine says, for policies that ask one (see `decideWith`); without it the engine is unavailable.
 */
// oxlint-disable-next-line max-params -- on the hot path an options object costs more than it says
export function decide(
  policy: CompiledPolicy,
  facts: Facts,
  observer?: PolicyObserver,
  answer?: EngineAnswer,
): Decision {
  const decision = carryOut(policy, facts, judge(policy, facts, answer))
  observer?.decided(decision, facts)
  return decision
}

const exceptionSMax = policyLimits.exceptionDaysMax * 86_400

interface Judgement {
  readonly action: Action
  readonly rule: string | null
  readonly exception: ExceptionUse | null
  readonly reason: DecisionReason
  readonly from: CompiledConsequence | null
}

const refused = { action: 'reject', rule: null, exception: null, from: null } as const
const shed: Judgement = { ...refused, reason: 'overloaded' }
const unanswered: Judgement = { ...refused, reason: 'engine_unavailable' }
const notAccepted: Judgement = { ...refused, reason: 'not_accepted' }

function judge(policy: CompiledPolicy, facts: Facts, answer: EngineAnswer | undefined): Judgement {
  const verdict = verdictOf(facts)
  // Shedding load must not cost an evaluation.
  if (verdict.reason === 'overloaded') return shed
  let bound: CelFacts | undefined
  for (const exception of policy.exceptions) {
    if (!isInForce(exception, facts) || !reaches(exception.reach, verdict)) continue
    bound ??= new CelFacts(facts)
    if (evaluateRule(exception, bound) !== true) continue
    return {
      action: exception.action,
      rule: null,
      exception: exception.use,
      reason: 'exception',
      from: exception,
    }
  }
  for (const rule of policy.rules) {
    if (!reaches(rule.reach, verdict)) continue
    bound ??= new CelFacts(facts)
    const value = evaluateRule(rule, bound)
    if (value === false) continue
    if (value === true)
      return { action: rule.action, rule: rule.name, exception: null, reason: 'rule', from: rule }
    const action = rule.action === 'allow' ? 'reject' : rule.action
    return { action, rule: rule.name, exception: null, reason: 'policy_error', from: rule }
  }
  const { engine } = policy
  if (engine === null || !maySpeak(engine, verdict)) return byDefault(policy, verdict, 'default')
  return judgeByEngine(policy, verdict, answer ?? notAsked)
}

type JudgedVerdict = ReturnType<typeof verdictOf>

function byDefault(
  policy: CompiledPolicy,
  verdict: JudgedVerdict,
  reason: 'default' | 'engine_unavailable',
): Judgement {
  const from = policy.defaults.get(verdict.reason)
  if (from === undefined || !reaches(from.reach, verdict)) return notAccepted
  return { action: from.action, rule: null, exception: null, reason, from }
}

// An engine that could let nothing through is not asked: what attackers send costs nobody a question.
function maySpeak(engine: CompiledEngine, verdict: JudgedVerdict): boolean {
  return reaches(engine.allow.reach, verdict) || reaches(engine.quarantine.reach, verdict)
}

function judgeByEngine(policy: CompiledPolicy, verdict: JudgedVerdict, answer: EngineAnswer): Judgement {
  const engine = policy.engine as CompiledEngine
  if (answer.kind === 'silent') return byDefault(policy, verdict, 'default')
  if (answer.kind === 'unavailable') {
    return engine.onUnavailable === 'reject' ? unanswered : byDefault(policy, verdict, 'engine_unavailable')
  }
  const { action, rule } = answer
  if (action === 'reject') return { action, rule, exception: null, reason: 'engine', from: null }
  const from = action === 'allow' ? engine.allow : engine.quarantine
  // INVARIANT: what nobody named, no engine lets through.
  if (!reaches(from.reach, verdict)) return notAccepted
  return { action, rule, exception: null, reason: 'engine', from }
}

/** Whether it is the policy's engine that decides over these facts. */
export function asksEngine(policy: CompiledPolicy, facts: Facts): boolean {
  return policy.engine !== null && judge(policy, facts, asking).reason === 'engine'
}

const notAsked: EngineAnswer = { kind: 'unavailable', fault: 'unreachable' }
const asking: EngineAnswer = { kind: 'decided', action: 'reject', rule: null }

/**
 * Whether an exception may hold at the time of the facts: before its end, and not longer before than the limit.
 *
 * Facts without a time end every exception: closed by default.
 */
export function isInForce({ expiresS }: CompiledException, facts: Facts): boolean {
  const restS = expiresS - facts['env.timeS']
  return restS > 0 && restS <= exceptionSMax
}

/** The part of the facts that says which rules may speak. */
export function verdictOf(facts: Facts): {
  readonly reason: string
  readonly authenticated: boolean
  readonly also: readonly string[]
} {
  return {
    reason: facts['verdict.reason'],
    authenticated: facts['verdict.authenticated'],
    also: facts['verdict.alsoUnverifiable'] ?? [],
  }
}

/** Whether a rule's condition holds, or the error that it ended in. */
export function evaluateRule(rule: CompiledRule, facts: CelFacts): boolean | Error {
  return rule.condition === null ? true : rule.condition.evaluate(facts)
}

function carryOut(policy: CompiledPolicy, facts: Facts, judgement: Judgement): Decision {
  const enforced = isEnforced(policy, facts)
  const action = enforced ? judgement.action : 'allow'
  return {
    action,
    rule: judgement.rule,
    exception: judgement.exception,
    reason: judgement.reason,
    mode: policy.document.mode,
    enforced,
    wouldBe: judgement.action,
    policy: policy.identity,
    deferred: judgement.action === 'allow' && judgement.from?.deferred === true && !facts['verdict.deep'],
    quarantine: action === 'quarantine' ? (judgement.from?.quarantine ?? null) : null,
  }
}

function isEnforced({ document }: CompiledPolicy, facts: Facts): boolean {
  switch (document.mode) {
    case 'monitor':
      return false
    case 'enforce':
      return true
    case 'canary': {
      const identity = facts['verdict.authenticated'] ? (facts.identity ?? null) : null
      // The two kinds of keys are marked, so that a route's name never stands for an identity.
      const key = identity === null ? `route ${facts['request.route']}` : `identity ${identity}`
      return inCanary(document.canaryPercent ?? 100, key, document.name)
    }
  }
}
