import { QuarantineLimiters, type SharedLoad } from '@quantum-ip/point'
import type { CompiledPolicy } from '@quantum-ip/policy'
import { LoadGate } from '../gateway/load-gate.ts'
import {
  type GuardedRoute,
  type NamedParts,
  assignCandidates,
  assignPolicies,
  guardedRoute,
} from '../gateway/route-setup.ts'
import { QuestionGuard } from './question-guard.ts'
import type { QuestionOptions, QuestionRoute } from './question-options.ts'

/** The routes of a point that is asked, with their policies, and the guard that answers by them. */
export class QuestionRoutes {
  readonly routes: readonly GuardedRoute<QuestionRoute>[]
  readonly guard: QuestionGuard
  readonly #options: QuestionOptions

  /** @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID` */
  constructor(
    options: QuestionOptions,
    { load, inFlightMax }: { readonly load: SharedLoad; readonly inFlightMax: number },
  ) {
    this.#options = options
    this.routes = options.routes.map((route) => guardedRoute(route, options, load))
    this.usePolicies(options.policies, options.candidates)
    this.guard = new QuestionGuard({
      options,
      limiters: new QuarantineLimiters(options.quarantineInFlightMax ?? 10, load),
      gate: new LoadGate({
        shedder: options.shedder,
        inFlight: load.counter('in flight'),
        inFlightMax,
      }),
    })
  }

  /**
   * Takes new policies, all or none, for questions that arrive from now on.
   *
   * @throws {EnforceError} `QIP_ENFORCE_ROUTE_INVALID`; the former ones stay.
   */
  usePolicies(
    policies: ReadonlyMap<string, CompiledPolicy>,
    candidates?: ReadonlyMap<string, CompiledPolicy>,
  ): void {
    assignPolicies(this.routes, policies, namedParts(this.#options))
    assignCandidates(this.routes, candidates)
  }
}

// The proxy knows the upstreams, where it routes quarantined requests at all.
function namedParts({ engines }: QuestionOptions): NamedParts {
  return { hasUpstream: (_name, terms) => (terms as QuestionRoute).quarantine === 'routed', engines }
}
