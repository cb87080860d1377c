import { isQipError, type Json } from '@quantum-ip/base'
import { AnswerReader, requestJson, requestObject, type Requester } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import {
  parseHead,
  parseRevocation,
  parseRootDocument,
  type RootPins,
  type State,
  TrustStore,
  verifyBundle,
  verifyState,
} from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'
import { isObject } from './json.ts'
import type { AskedAuthority } from './authority.ts'
import type { TrustOptions } from './authority-options.ts'

/** What an authority has signed, verified from the root on, and how its root came to be trusted. */
export interface AuthorityTrust {
  readonly store: TrustStore
  readonly pinned: 'pinned' | 'own socket' | 'word of the authority'
  /** Whether all heads of the last hour are known, or only those of the newest state. */
  readonly isWhole: boolean
}

const documentBytesMax = 2_097_152
const historyBytesMax = 256 * 1_048_576
const listMax = 4_000_000
const lifetimeS = 3_600

/**
 * Reads root document, bundle, state and, where the authority lets this caller, the history of an hour; verifies all of it.
 *
 * @throws {CliError} `QIP_CLI_TRUST_UNPINNED` where nobody vouches for the root keys · {@link TrustError} · {@link ClientError}
 */
export async function readAuthorityTrust(
  asked: AskedAuthority,
  options: TrustOptions,
  timeMs: number,
): Promise<AuthorityTrust> {
  const { requester } = asked
  const { store, pinned } = await pinnedStore(asked, options, timeMs)
  const isWhole = await applyHistory(store, requester, timeMs)
  if (!isWhole) await applyNewest(store, requester, timeMs)
  return { store, pinned, isWhole }
}

/** What an authority has signed of its keys and logs: all of it is open to everybody. */
export interface AuthorityKeys {
  /** Holds root document and bundle, and no state: it says nothing about revocation. */
  readonly store: TrustStore
  readonly state: State
}

/**
 * Reads and verifies root document, bundle and newest state, without the revocations, which are for members and operators only.
 *
 * @throws {CliError} as {@link readAuthorityTrust}
 */
export async function readAuthorityKeys(
  asked: AskedAuthority,
  options: TrustOptions,
  timeMs: number,
): Promise<AuthorityKeys> {
  const { requester } = asked
  const { store } = await pinnedStore(asked, options, timeMs)
  const envelope = await fetchDocument(requester, 'bundle')
  await store.applyBundle({ envelope, timeMs })
  const { root } = store
  if (root === undefined) throw new CliError('QIP_CLI_DEFECT', { reason: 'there is no root document' })
  const bundle = await verifyBundle({ envelope, root, timeS: timeMs / 1_000, composites: true })
  const state = await verifyState({ envelope: await fetchDocument(requester, 'state'), bundle, timeMs })
  return { store, state: state.document }
}

/** What trust in an authority starts from. */
export interface AuthorityPins {
  readonly td: string
  readonly pins: RootPins
  readonly pinned: AuthorityTrust['pinned']
}

/**
 * The pins of an authority: of the command line, of the configuration, or its own word where that suffices.
 *
 * @throws {CliError} `QIP_CLI_TRUST_UNPINNED` where nobody vouches for the root keys
 */
export async function readPins(asked: AskedAuthority, options: TrustOptions): Promise<AuthorityPins> {
  const request = { operation: 'discovery', method: 'GET', target: '/.well-known/quantum-ip' } as const
  const discovery = await requestObject(asked.requester, request)
  return { td: discovery.text('trustDomain'), ...choosePins(asked, options, discovery) }
}

/** A store that holds the root document of the authority, under pins that somebody vouches for. */
async function pinnedStore(asked: AskedAuthority, options: TrustOptions, timeMs: number) {
  const { requester } = asked
  const { td, pins, pinned } = await readPins(asked, options)
  const store = new TrustStore({ td, pins, composites: true })
  await applyRoots(store, requester, timeMs)
  return { store, pinned }
}

function choosePins(
  { isSocket, address, config }: AskedAuthority,
  { root = [], rootThreshold, trustAuthority = false }: TrustOptions,
  discovery: AnswerReader,
): { pins: RootPins; pinned: AuthorityTrust['pinned'] } {
  const given = root.length > 0 ? root : (config?.trust.rootThumbprints ?? [])
  const configured = root.length > 0 ? undefined : config?.trust.rootThreshold.toString()
  if (given.length > 0) {
    return {
      pins: { thumbprints: given, threshold: thresholdOf(rootThreshold ?? configured, given.length) },
      pinned: 'pinned',
    }
  }
  if (!isSocket && !trustAuthority) throw new CliError('QIP_CLI_TRUST_UNPINNED', { authority: address })
  return {
    pins: {
      thumbprints: discovery.texts('rootThumbprints', 64),
      threshold: discovery.integer('rootThreshold'),
    },
    pinned: isSocket ? 'own socket' : 'word of the authority',
  }
}

/** How many of the pinned keys must have signed: one, unless somebody says otherwise. @throws {CliError} `QIP_CLI_USAGE` */
export function thresholdOf(text: string | undefined, count: number): number {
  if (text === undefined) return 1
  const threshold = Number(text)
  if (/^\d{1,2}$/.test(text) && threshold >= 1 && threshold <= count) return threshold
  throw new CliError('QIP_CLI_USAGE', { reason: `--root-threshold is a number from 1 to ${count}` })
}

async function fetchDocument(requester: Requester, name: string): Promise<Uint8Array> {
  const operation = name.startsWith('root') ? 'the root document' : `the ${name}`
  const target = `/v1/${name}`
  return (await requester.request({ operation, method: 'GET', target, answerBytesMax: documentBytesMax }))
    .body
}

/** The newest root document; where its keys are not the pinned ones, all of them from the first on. */
async function applyRoots(store: TrustStore, requester: Requester, timeMs: number): Promise<void> {
  const newest = await fetchDocument(requester, 'root')
  try {
    await store.applyRoot({ envelope: newest, timeMs })
    return
  } catch (error) {
    if (!isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED')) throw error
    const { sequence } = parseRootDocument(parseEnvelope(newest).payload)
    for (let at = 1; at < Math.min(sequence, 1_000); at++) await applyFormer(store, requester, { at, timeMs })
    if (store.root === undefined) throw error
  }
  await store.applyRoot({ envelope: newest, timeMs })
}

async function applyFormer(
  store: TrustStore,
  requester: Requester,
  { at, timeMs }: { at: number; timeMs: number },
): Promise<void> {
  try {
    await store.applyRoot({ envelope: await fetchDocument(requester, `root?sequence=${at}`), timeMs })
  } catch (error) {
    // Sequences leave numbers out, and only one of them has the pinned keys.
    if (!isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED') && !isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'))
      throw error
  }
}

async function applyHistory(store: TrustStore, requester: Requester, timeMs: number): Promise<boolean> {
  let answer: Json | undefined
  try {
    answer = await requestJson(requester, {
      operation: 'the history',
      method: 'GET',
      target: `/v1/history?lifetime=${lifetimeS}`,
      answerBytesMax: historyBytesMax,
    })
  } catch (error) {
    // For members and operators only; everybody else sees the newest state.
    if (isQipError(error, 'QIP_CLI_CREDENTIAL_MISSING') || isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'))
      return false
    throw error
  }
  const history = new AnswerReader(answer, 'the history')
  const revocations = readRevocations(history)
  const heads = history.list('heads', listMax).map((head) => parseHead(head))
  await store.applyBundle({ envelope: history.text('bundle'), timeMs })
  try {
    await store.applyState({ envelope: history.text('base'), timeMs, revocations })
    await store.applyState({ envelope: history.text('state'), timeMs, revocations, heads })
  } catch (error) {
    // The feed key may have changed within the hour: then what the old one signed is left out.
    if (!isQipError(error, 'QIP_TRUST_SIGNATURES_INSUFFICIENT')) throw error
    await store.applyState({ envelope: history.text('state'), timeMs, revocations })
  }
  return true
}

function readRevocations(answer: AnswerReader) {
  return answer.list('revocations', listMax).map((record) => {
    if (isObject(record)) return parseRevocation(record)
    throw answer.malformed('`revocations` has something that is no record')
  })
}

async function applyNewest(store: TrustStore, requester: Requester, timeMs: number): Promise<void> {
  await store.applyBundle({ envelope: await fetchDocument(requester, 'bundle'), timeMs })
  const envelope = await fetchDocument(requester, 'state')
  try {
    await store.applyState({ envelope, timeMs })
  } catch (error) {
    if (!isQipError(error, 'QIP_TRUST_REVOCATIONS_MISSING')) throw error
    const list = await requestObject(requester, {
      operation: 'the revocations',
      method: 'GET',
      target: '/v1/revocations?since=0',
      answerBytesMax: historyBytesMax,
    })
    await store.applyState({ envelope, timeMs, revocations: readRevocations(list) })
  }
}
