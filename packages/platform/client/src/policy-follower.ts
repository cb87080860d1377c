import { equalBytes, isQipError } from '@quantum-ip/base'
import {
  type PolicyReference,
  type PolicyRollout,
  type PolicyText,
  policyKeys,
  type PolicyVersion,
  type TrustStore,
  verifyPolicyRollout,
  verifyPolicyText,
} from '@quantum-ip/trust'
import { ClientError } from './client-errors.ts'
import { backoffMs } from './lib/backoff.ts'
import { Doorbell } from './lib/doorbell.ts'
import { type PolicyEnvelopes, readPolicyFile, writePolicyFile } from './lib/policy-file.ts'
import type { Requester } from './request.ts'

/** A policy as it is rolled out, every part of it verified. */
export interface RolledOutPolicy {
  readonly rollout: PolicyRollout
  readonly active: PolicyText
  readonly candidate: PolicyText | undefined
}

/** A rollout that could not be taken: what was held before goes on. */
export interface RefusedRollout {
  readonly name: string
  readonly rollout: number
  readonly reason: string
}

/** What policies are followed with. */
export interface PolicyFollowerOptions {
  /** A member's session. */
  readonly session: Pick<Requester, 'request'>
  /** Follows the trust state. */
  readonly store: TrustStore
  /** Names of the policies to follow. */
  readonly names: readonly string[]
  /** Where the last good ones are kept over restarts. */
  readonly file: string
  /** Puts a policy in force, whole or not at all. What it throws refuses the rollout; the policy before stays. */
  readonly take: (policy: RolledOutPolicy) => void
  /** Told of every change: of what is held, or of what was refused. */
  readonly onChange?: () => void
  readonly onRefused?: (refused: RefusedRollout) => void
  /** Told of what is tried again: the authority is away, or the file cannot be written. */
  readonly onFailed?: (error: unknown) => void
}

/** Keeps policies in force as the trust state says. */
export interface PolicyFollower extends AsyncDisposable {
  /** The rollout that is held of each policy, by name. */
  readonly held: ReadonlyMap<string, RolledOutPolicy>
  /** The last rollout of each policy that could not be taken, and is not replaced yet. */
  readonly refused: ReadonlyMap<string, RefusedRollout>
}

const backoff = { firstMs: 500, maxMs: 15_000 }
const idleMs = 60_000
const documentBytesMax = 2_097_152

/**
 * Follows the policies of a trust domain: a state names the newest rollout of each by number and hash, the documents come from the
 * authority (`GET /v1/policies/…`), and count if a `qip-policy` key of the bundle signed them and their hashes are as they must be.
 *
 * Resolves once what is on disk and what the state names was tried. With the authority away the last good policies hold.
 */
export async function openPolicyFollower(options: PolicyFollowerOptions): Promise<PolicyFollower> {
  const follower = new StatePolicyFollower(options)
  await follower.start()
  return follower
}

class StatePolicyFollower implements PolicyFollower {
  readonly held = new Map<string, RolledOutPolicy>()
  readonly refused = new Map<string, RefusedRollout>()
  readonly #options: PolicyFollowerOptions
  /** What is held, as it came: for the file. */
  readonly #envelopes = new Map<string, PolicyEnvelopes>()
  readonly #doorbell = new Doorbell()
  readonly #stop = new AbortController()
  #unsubscribe: () => void = () => undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor(options: PolicyFollowerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { store, names } = this.#options
    if (names.length === 0) return
    await this.#load()
    const isDone = await this.#followAll()
    this.#unsubscribe = store.subscribe({
      onState: () => {
        if (names.some((name) => this.#wanted(name) !== undefined)) this.#doorbell.ring()
      },
    })
    this.#running = this.#run(isDone)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe()
    this.#stop.abort()
    await this.#running
  }

  async #run(isDone: boolean): Promise<void> {
    const { signal } = this.#stop
    let failures = isDone ? 0 : 1
    while (!signal.aborted) {
      await this.#doorbell.wait(failures === 0 ? idleMs : backoffMs(backoff, failures), signal)
      if (!signal.aborted) failures = (await this.#followAll()) ? 0 : failures + 1
    }
  }

  /** What the state names and is neither held nor refused. */
  #wanted(name: string): PolicyVersion | undefined {
    const stated = this.#options.store.policy(name)
    if (stated === undefined) return undefined
    const held = this.held.get(name)?.rollout.number ?? 0
    const isNew = stated.version > held && stated.version !== this.refused.get(name)?.rollout
    return isNew ? stated : undefined
  }

  /** @returns whether there is nothing left to try again */
  async #followAll(): Promise<boolean> {
    let isDone = true
    let isChanged = false
    for (const name of this.#options.names) {
      const wanted = this.#wanted(name)
      if (wanted === undefined) continue
      const outcome = await this.#follow(name, wanted)
      isDone &&= outcome !== 'failed'
      isChanged ||= outcome === 'taken'
    }
    if (isChanged) await this.#save()
    return isDone
  }

  async #follow(name: string, wanted: PolicyVersion): Promise<'taken' | 'refused' | 'failed'> {
    try {
      const fetched = await this.#fetch(name, wanted.version)
      this.#take(await this.#verify(name, fetched, wanted), fetched)
      return 'taken'
    } catch (error) {
      if (isAway(error)) {
        if (!this.#stop.signal.aborted) this.#options.onFailed?.(error)
        return 'failed'
      }
      this.#refuse({ name, rollout: wanted.version, reason: reasonOf(error) })
      return 'refused'
    }
  }

  #take(policy: RolledOutPolicy, envelopes: PolicyEnvelopes): void {
    const name = policy.rollout.policy
    this.#options.take(policy)
    this.held.set(name, policy)
    this.refused.delete(name)
    this.#envelopes.set(name, envelopes)
    this.#options.onChange?.()
  }

  #refuse(refused: RefusedRollout): void {
    this.refused.set(refused.name, refused)
    this.#options.onRefused?.(refused)
    this.#options.onChange?.()
  }

  async #fetch(name: string, number: number): Promise<PolicyEnvelopes> {
    const rollout = await this.#document(`/v1/policies/${name}/rollouts/${number}`)
    const { active, candidate } = (await this.#rollout(name, rollout)).document
    const version = (each: PolicyReference) => this.#document(`/v1/policies/${name}/versions/${each.version}`)
    return {
      rollout,
      active: await version(active),
      candidate: candidate === undefined ? undefined : await version(candidate),
    }
  }

  async #document(target: string): Promise<string> {
    const request = {
      operation: 'a policy',
      method: 'GET',
      target,
      answerBytesMax: documentBytesMax,
    } as const
    const { body } = await this.#options.session.request({ ...request, signal: this.#stop.signal })
    return new TextDecoder().decode(body)
  }

  async #rollout(name: string, envelope: string) {
    const { store } = this.#options
    const verified = await verifyPolicyRollout({ envelope, td: store.td, keys: policyKeys(store) })
    if (verified.document.policy !== name) throw refusal(name, 'its rollout is for another policy')
    return verified
  }

  async #verify(
    name: string,
    { rollout: envelope, active, candidate }: PolicyEnvelopes,
    stated: PolicyVersion | undefined,
  ): Promise<RolledOutPolicy> {
    const { document: rollout, sha256 } = await this.#rollout(name, envelope)
    if (stated !== undefined && (rollout.number !== stated.version || !equalBytes(sha256, stated.sha256)))
      throw refusal(name, 'its rollout is not the one that the trust state names')
    const version = (each: PolicyReference, text: string | undefined) => this.#version(name, each, text)
    return {
      rollout,
      active: await version(rollout.active, active),
      candidate: rollout.candidate && (await version(rollout.candidate, candidate)),
    }
  }

  async #version(name: string, named: PolicyReference, envelope = ''): Promise<PolicyText> {
    const { store } = this.#options
    const { document, sha256 } = await verifyPolicyText({ envelope, td: store.td, keys: policyKeys(store) })
    const isNamed = document.name === name && document.version === named.version
    if (!isNamed || !equalBytes(sha256, named.sha256))
      throw refusal(name, `version ${named.version} is not the one that its rollout names`)
    return document
  }

  /** What is on disk is verified like what comes from the network; a state that names the same rollout must name its hash. */
  async #load(): Promise<void> {
    const { file, names, store, onFailed } = this.#options
    for (const [name, envelopes] of await readPolicyFile(file).catch(
      () => new Map<string, PolicyEnvelopes>(),
    )) {
      if (!names.includes(name)) continue
      try {
        const found = await this.#verify(name, envelopes, undefined)
        const stated = store.policy(name)
        const isSame = stated?.version === found.rollout.number
        this.#take(isSame ? await this.#verify(name, envelopes, stated) : found, envelopes)
      } catch (error) {
        onFailed?.(error)
      }
    }
  }

  async #save(): Promise<void> {
    try {
      await writePolicyFile(this.#options.file, this.#envelopes)
    } catch (error) {
      this.#options.onFailed?.(error)
    }
  }
}

function refusal(name: string, reason: string): ClientError {
  return new ClientError('QIP_CLIENT_POLICY_REFUSED', { name, reason })
}

// What the authority does not answer, or not yet, is asked again; what it answered and does not hold never will.
function isAway(error: unknown): boolean {
  return (
    isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE') ||
    isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED') ||
    isQipError(error, 'QIP_CLIENT_CHANNEL_REFUSED') ||
    isQipError(error, 'QIP_CLIENT_CLOSED')
  )
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 512) : 'unknown'
}
