import { AnswerReader } from '@quantum-ip/client'
import type { AskedAuthority } from '../lib/authority.ts'
import { fetchFleet } from '../lib/fleet.ts'
import { lookAtAuthority, messageOf, trustDomainOf } from './authority-checks.ts'
import type { DoctorCheck } from './check.ts'
import { clockChecks } from './clock-checks.ts'
import type { DoctorWay } from './hops.ts'
import { arrivalCheck, challengeCheck, hintCheck, reachChecks, verdictCheck } from './path-checks.ts'
import { type ProbeKind, probeKinds } from './probe-kinds.ts'
import { type DoctorSession, openDoctorSession } from './probe-tokens.ts'
import { openProbeSender, type ProbeResult, type ProbeSender } from './send-probe.ts'
import { fleetChecks, localPointChecks, pointChecks } from './trust-checks.ts'

/** What the doctor works with. */
export interface DoctorOptions {
  readonly way: DoctorWay
  readonly asked: AskedAuthority
  /** Certificates to trust for the service, PEM. */
  readonly serviceCa?: string
  readonly timeoutMs: number
  /** The operators' socket of a gateway on this machine. */
  readonly point?: string
  /** Told what goes on. */
  readonly progress: (text: string) => void
}

// What a request without anything shows: who answers, which route, what the clocks say.
const bare: ProbeKind = {
  name: 'reach',
  what: 'a request without a token',
  severity: 'fail',
  field: '',
  fields: [],
  bytes: 0,
}

const clockToleranceMs = 30_000

/** Looks at the authority, sends probes at every place of the way, and returns what it found, the path first. */
export async function runDoctor(options: DoctorOptions): Promise<readonly DoctorCheck[]> {
  const { way, asked, serviceCa, timeoutMs } = options
  options.progress('the authority')
  const authority = await lookAtAuthority(asked)
  await using sender = openProbeSender(way, { timeoutMs, ...(serviceCa !== undefined && { ca: serviceCa }) })
  const opened = authority.state === undefined ? undefined : await openSessionOf(asked)
  using session = opened?.session
  const reach = await sendAll(options, { sender, kind: bare, session })
  const path = session === undefined ? [] : await pathChecks(options, { sender, session, reach })
  const { state } = authority
  const clocks = clockChecks({
    authorityMs: state && state.timeMs - Date.now(),
    results: reach,
    toleranceMs: clockToleranceMs,
  })
  return [
    ...(opened?.checks ?? []),
    ...(session === undefined ? strangerChecks(reach) : reachChecks(reach)),
    ...path,
    ...clocks,
    ...pointChecks(reach),
    ...(options.point === undefined ? [] : await localPointChecks(options.point)),
    ...authority.checks,
    ...(state === undefined ? [] : await fleetOf(asked, state.seq)),
  ]
}

interface OpenedSession {
  readonly session?: DoctorSession
  readonly checks: readonly DoctorCheck[]
}

async function openSessionOf(asked: AskedAuthority): Promise<OpenedSession> {
  try {
    return { session: await openDoctorSession(asked, await trustDomainOf(asked.requester)), checks: [] }
  } catch (error) {
    const next =
      "tickets need an operator's credential (role `operator`): --credential-file, or the authority's socket"
    return { checks: [{ name: 'tickets', outcome: 'fail', hop: 'authority', seen: messageOf(error), next }] }
  }
}

interface Sending {
  readonly sender: ProbeSender
  readonly kind: ProbeKind
  readonly session: DoctorSession | undefined
}

/** One probe at each place, from the outside inwards. */
async function sendAll(
  { way, progress }: DoctorOptions,
  { sender, kind, session }: Sending,
): Promise<readonly ProbeResult[]> {
  const tickets = (await session?.tickets(way.hops.length)) ?? []
  const results: ProbeResult[] = []
  for (const [at, hop] of way.hops.entries()) {
    progress(`${kind.what} at ${hop.name}`)
    results.push(await sender.send(hop, kind, tickets[at]))
  }
  return results
}

async function pathChecks(
  options: DoctorOptions,
  {
    sender,
    session,
    reach,
  }: Omit<Sending, 'kind' | 'session'> & {
    readonly session: DoctorSession
    readonly reach: readonly ProbeResult[]
  },
): Promise<readonly DoctorCheck[]> {
  const service = reach.map(({ answer }) => answer?.['service']).find((found) => typeof found === 'string')
  if (service === undefined) return []
  const checks: DoctorCheck[] = [challengeCheck(reach)]
  // Only places that answer can be compared.
  const hops = options.way.hops.filter((_, at) => reach[at]?.answer !== undefined)
  const asked = { ...options, way: { ...options.way, hops } }
  let plain: readonly ProbeResult[] | undefined
  for (const kind of probeKinds(await session.tokens(service))) {
    const results = await sendAll(asked, { sender, kind, session })
    checks.push(...[arrivalCheck(results, plain)].filter((check) => check !== undefined))
    if (kind.name !== 'token') continue
    plain = results
    checks.push(hintCheck(results))
    checks.push(...[verdictCheck(results.at(-1))].filter((check) => check !== undefined))
  }
  return checks
}

/** Without tickets: what anybody sees. */
function strangerChecks(results: readonly ProbeResult[]): readonly DoctorCheck[] {
  return results.map(({ hop, status, error, code, challenge, server }) => ({
    name: 'hop-answers',
    hop: hop.name,
    outcome: error === undefined ? 'open' : 'fail',
    seen:
      error === undefined
        ? `${status ?? 0}${code === undefined ? '' : `, ${code}`}${challenge ? ', a gateway' : ''}${server === '' ? '' : `, by \`${server}\``}; without tickets nobody says what arrived`
        : `no answer: ${error}`,
  }))
}

async function fleetOf(asked: AskedAuthority, seq: number): Promise<readonly DoctorCheck[]> {
  try {
    const { json, members } = await fetchFleet(asked.requester)
    const newest = new AnswerReader(json, 'the fleet').integer('seq')
    return fleetChecks(members, { seq: Math.max(seq, newest), nowMs: Date.now() })
  } catch (error) {
    return [{ name: 'fleet-current', outcome: 'open', seen: messageOf(error) }]
  }
}
