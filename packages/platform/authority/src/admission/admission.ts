import { type Clock, type Json, parseHex, type Pattern, parsePattern } from '@quantum-ip/base'
import type { AdmissionRule } from '@quantum-ip/attestation'
import type { KemKey } from '@quantum-ip/crypto'
import { AuthorityError } from '../authority-errors.ts'
import type { IssuanceRecords } from '../records/issuance-records.ts'
import type { Registry } from '../ledger/registry.ts'
import type { Admitted, AdmissionMethod } from './admission-method.ts'
import type { Session, SessionBuild, Sessions } from './sessions.ts'

/** Whether a workload needs an attestation of its build. */
export type AttestationDemand = 'off' | 'warn' | 'on'

/** What admission goes by. */
export interface AdmissionOptions {
  readonly methods: readonly AdmissionMethod[]
  readonly rules: readonly AdmissionRule[]
  /** In order; the first whose pattern matches the service ID counts; `on` where none does. */
  readonly requireAttestation: readonly { readonly service: string; readonly demand: AttestationDemand }[]
  readonly sessions: Sessions
  /** Keeps on what evidence each session was admitted. */
  readonly records?: IssuanceRecords | undefined
  readonly registry: Registry
  readonly clock: Clock
  readonly sessionTtlS: number
  /** Whether a service or build was revoked. */
  readonly isRevoked: (sid: string, build: Uint8Array | undefined) => boolean
}

/** An opened session, its sealed key, and what the operator should hear of. */
export interface Admission {
  readonly session: Session
  readonly sealedKey: Uint8Array
  readonly warnings: readonly string[]
}

/** What a workload sends to be admitted. */
export interface AdmissionRequest {
  readonly method: string
  readonly evidence: Json
  readonly clientKey: KemKey
  /** A choice among the builds that the method names; absent: all of them. */
  readonly builds?: readonly string[]
}

/**
 * Admits workloads: the method says who it is and which builds it may run, the rules say whether these builds may be that
 * service, the registry whether they are attested. No rule, no admission.
 */
export class AdmissionDesk {
  readonly #options: AdmissionOptions
  readonly #demands: readonly { readonly service: Pattern; readonly demand: AttestationDemand }[]

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#demands = options.requireAttestation.map(({ service, demand }) => ({
      service: parsePattern(service),
      demand,
    }))
  }

  /** Which builds may be which service. */
  get rules(): readonly AdmissionRule[] {
    return this.#options.rules
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_ADMISSION_REFUSED` with the reason and the way out */
  async admit(request: AdmissionRequest): Promise<Admission> {
    const { methods } = this.#options
    const method = methods.find(({ name }) => name === request.method)
    if (method === undefined) {
      const known = methods.map(({ name }) => `\`${name}\``).join(', ')
      throw refused(`no admission method is called \`${request.method.slice(0, 64)}\``, `use one of ${known}`)
    }
    const admitted = await method.admit(request.evidence)
    return this.#open(admitted, { ...request, method: method.name })
  }

  /**
   * Opens the next session of who has one: before it ends, a workload or enforcement point goes on without new evidence. All is
   * asked again that was asked at admission, as it is now: revocations, rules, attestations. The session before ends by itself.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ADMISSION_REFUSED`
   */
  async renew({ id, sid, role, builds, method }: Session, clientKey: KemKey): Promise<Admission> {
    if (this.#options.methods.find(({ name }) => name === method)?.renewable !== true) {
      throw refused(
        `a session by \`${method}\` is not renewed`,
        'show fresh evidence with `POST /v1/workloads`',
      )
    }
    const admitted: Admitted = {
      sid,
      role,
      builds: builds.map(({ digest }) => digest),
      binding: builds[0]?.evidence ?? 0,
      consume: [],
    }
    // The record of this session leads to that of the one before, and so to the evidence.
    return this.#open(admitted, { method, clientKey, evidence: { session: id } })
  }

  async #open(admitted: Admitted, request: AdmissionRequest): Promise<Admission> {
    const { sessions, clock, sessionTtlS } = this.#options
    const builds = chosenBuilds(admitted, request.builds)
    this.#checkRevocation(admitted.sid, builds)
    const warnings: string[] = []
    const checked: SessionBuild[] = []
    if (admitted.role === 'workload') {
      this.#checkRule(admitted.sid)
      if (builds.length === 0) this.#checkNoBuild(admitted.sid, warnings)
    }
    for (const digest of builds) checked.push(await this.#checkBuild(admitted, digest, warnings))
    const expiresS = Math.floor(clock.now() / 1_000) + sessionTtlS
    const { session, sealedKey } = await sessions.create(
      {
        sid: admitted.sid,
        role: admitted.role,
        builds: checked,
        method: request.method,
        expiresS: Math.min(expiresS, admitted.expiresS ?? expiresS),
      },
      request.clientKey,
      admitted.consume,
    )
    try {
      // Revoked meanwhile: its sessions were ended before this one was there.
      this.#checkRevocation(admitted.sid, builds)
    } catch (error) {
      await sessions.end(({ id }) => id === session.id)
      throw error
    }
    await this.#options.records?.admitted(session, request.evidence)
    return { session, sealedKey, warnings }
  }

  #checkRevocation(sid: string, builds: readonly string[]): void {
    const { isRevoked } = this.#options
    if (isRevoked(sid, undefined)) throw refused(`\`${sid}\` is revoked`)
    const revoked = builds.find((build) => isRevoked(sid, parseHex(build)))
    if (revoked !== undefined) throw refused(`build \`${revoked}\` is revoked`, 'deploy another build')
  }

  #checkRule(sid: string): void {
    if (this.#options.rules.some(({ service }) => service.matches(sid))) return
    throw refused(
      `no admission rule is for \`${sid}\``,
      `add one to the authority's configuration and restart: \`admission: { rules: [{ service: ${sid}, builder: … }] }\``,
    )
  }

  // Who could leave its builds out would need no attestation of any.
  #checkNoBuild(sid: string, warnings: string[]): void {
    const demand = this.#demandFor(sid)
    if (demand === 'off') return
    const reason = `\`${sid}\` names no build, and an attestation of one is asked for`
    if (demand === 'on')
      throw refused(reason, 'name the build that runs: `qip join-token … --build <artifact>`')
    warnings.push(reason)
  }

  async #checkBuild(
    { sid, role, binding }: Admitted,
    digest: string,
    warnings: string[],
  ): Promise<SessionBuild> {
    const { registry, rules } = this.#options
    const bare: SessionBuild = { digest, bytes: parseHex(digest), evidence: binding, attestation: undefined }
    const demand = role === 'verifier' ? 'off' : this.#demandFor(sid)
    if (demand === 'off') return bare
    const found = await registry.findAdmitting({ build: digest, service: sid, rules })
    if (found.attestation !== undefined) return { ...bare, attestation: found.attestation }
    if (demand === 'on') {
      throw refused(
        `build \`${digest}\` is not admitted as \`${sid}\`: ${found.reason}`,
        'attest the build with `qip attest`, or deploy one that is',
      )
    }
    warnings.push(`build ${digest} has no attestation that admits it as ${sid}: ${found.reason}`)
    return bare
  }

  #demandFor(sid: string): AttestationDemand {
    return this.#demands.find(({ service }) => service.matches(sid))?.demand ?? 'on'
  }
}

function chosenBuilds(admitted: Admitted, wanted: readonly string[] | undefined): readonly string[] {
  if (wanted === undefined) return admitted.builds
  const foreign = wanted.find((build) => !admitted.builds.includes(build))
  if (foreign === undefined) return wanted
  throw refused(
    `the evidence does not name build \`${foreign}\``,
    'name one of the builds that the evidence was made for',
  )
}

function refused(reason: string, next?: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_ADMISSION_REFUSED', {
    reason,
    ...(next !== undefined && { next }),
  })
}
