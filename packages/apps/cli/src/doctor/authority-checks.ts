import { Buffer } from 'node:buffer'
import type { JsonObject } from '@quantum-ip/base'
import { type AuthorityAnswer, type Requester, requestJson } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import type { Config } from '@quantum-ip/http'
import { parseState, type State } from '@quantum-ip/trust'
import type { AskedAuthority } from '../lib/authority.ts'
import { openMirrorLinks } from '../up/mirror-links.ts'
import { type DoctorCheck, runbook } from './check.ts'
import { wordOf } from './word-of.ts'

/** What was found out about the authority. */
export interface SeenAuthority {
  readonly checks: readonly DoctorCheck[]
  /** Its newest state, read and not verified: for numbers and time only. */
  readonly state: State | undefined
}

/** Asks the authority for what gateways need of it: is it ready, is its state fresh, can its attestation log be read. */
export async function lookAtAuthority(asked: AskedAuthority): Promise<SeenAuthority> {
  const state = await readState(asked.requester).catch((error: unknown) => messageOf(error))
  if (typeof state === 'string') return { state: undefined, checks: [unreachable(asked.address, state)] }
  const checks: DoctorCheck[] = [await readyCheck(asked)]
  for (const origin of state.logs.keys()) {
    const [, kind, number] = /\/(attestations)\/(\d+)$/.exec(origin) ?? []
    if (kind === undefined || number === undefined) continue
    const target = `/logs/${kind}/${number}/checkpoint`
    checks.push(await ledgerCheck(asked.requester, { hop: 'authority', origin, target }))
    if (asked.config !== undefined) checks.push(...(await mirrorChecks(asked.config, origin, target)))
  }
  return { state, checks }
}

async function readState(requester: Requester): Promise<State> {
  const { body } = await requester.request({ operation: 'the state', method: 'GET', target: '/v1/state' })
  return parseState(parseEnvelope(body).payload)
}

function unreachable(address: string, reason: string): DoctorCheck {
  return {
    name: 'authority-answers',
    hop: 'authority',
    outcome: 'fail',
    seen: reason.slice(0, 300),
    next: `is \`${address}\` right (--authority), and does it run? Without it there are no tickets, and little can be said of the path`,
    runbook: runbook('authority-crash'),
  }
}

async function readyCheck({ requester, address }: AskedAuthority): Promise<DoctorCheck> {
  try {
    await requester.request({ operation: 'its readiness', method: 'GET', target: '/readyz' })
    return {
      name: 'authority-ready',
      hop: 'authority',
      outcome: 'ok',
      seen: `\`${address}\` is ready: its signed state is fresh`,
    }
  } catch (error) {
    return {
      name: 'authority-ready',
      hop: 'authority',
      outcome: 'fail',
      seen: `\`${address}\` answers and is not ready: ${messageOf(error)}`,
      next: 'its signed state is late: see its output and its store',
      runbook: runbook('authority-failover'),
    }
  }
}

interface LedgerPlace {
  readonly hop: string
  readonly origin: string
  readonly target: string
}

async function ledgerCheck(requester: Requester, { hop, origin, target }: LedgerPlace): Promise<DoctorCheck> {
  try {
    const answer = await requester.request({ operation: 'the checkpoint', method: 'GET', target })
    return { name: 'ledger-readable', hop, outcome: 'ok', seen: checkpointText(answer, origin) }
  } catch (error) {
    return {
      name: 'ledger-readable',
      hop,
      outcome: 'fail',
      seen: `${origin} cannot be read: ${messageOf(error)}`,
      next: 'deep checks end in `attestation_unavailable` where nothing is cached: bring it back, or name mirrors in `trust.mirrors`',
      runbook: runbook('ledger-outage'),
    }
  }
}

function checkpointText({ body }: AuthorityAnswer, origin: string): string {
  const [, size = '?'] = Buffer.from(body).toString().split('\n')
  return `${origin} has ${size} entries`
}

async function mirrorChecks(config: Config, origin: string, target: string): Promise<readonly DoctorCheck[]> {
  const links = await openMirrorLinks(config.trust.mirrors)
  try {
    return await Promise.all(
      links.mirrors.map(({ url, requester }) =>
        ledgerCheck(requester, { hop: `mirror ${url}`, origin, target }),
      ),
    )
  } finally {
    await links.close()
  }
}

/** The trust domain, as the authority's discovery says it. */
export async function trustDomainOf(requester: Requester): Promise<string> {
  const json = await requestJson(requester, {
    operation: 'discovery',
    method: 'GET',
    target: '/.well-known/quantum-ip',
  })
  return wordOf(json as JsonObject, 'trustDomain')
}

/** An error in one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'no answer'
}
