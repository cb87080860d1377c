import type { PublicKey } from '@quantum-ip/crypto'
import { buildRootDocument, type RootDocument } from '@quantum-ip/trust'
import { CliError } from '../cli-errors.ts'

/** How a list of keys changes. */
export interface KeyChange {
  readonly added: readonly PublicKey[]
  /** Thumbprints, or their first eight characters and more. */
  readonly removed: readonly string[]
  /** None of the keys before stays. */
  readonly replaces: boolean
  readonly threshold: number | undefined
}

/** What the next root document changes. */
export interface RootChange {
  readonly roots: KeyChange
  readonly bundleKeys: KeyChange
  /** Seconds since 1970. */
  readonly expires: number
}

/**
 * The document that follows on `previous`.
 *
 * @throws {CliError} `QIP_CLI_USAGE` · {@link TrustError} if no such document may be
 */
export function draftSuccessor(
  previous: RootDocument,
  { roots, bundleKeys, expires }: RootChange,
): RootDocument {
  const rootList = changed(previous.roots, roots, '--remove-root')
  const bundleList = changed(previous.bundleKeys, bundleKeys, '--remove-bundle-key')
  const document: RootDocument = {
    td: previous.td,
    sequence: previous.sequence + 1,
    expires,
    roots: rootList,
    threshold: roots.threshold ?? previous.threshold,
    bundleKeys: bundleList,
    bundleThreshold: bundleKeys.threshold ?? previous.bundleThreshold,
  }
  // What would be refused is not drafted.
  buildRootDocument(document)
  return document
}

const prefixMin = 8

function changed(keys: readonly PublicKey[], change: KeyChange, option: string): readonly PublicKey[] {
  const removed = new Set(change.removed.map((name) => kidOf(keys, name, option)))
  const kept = change.replaces ? [] : keys.filter(({ kid }) => !removed.has(kid))
  const known = new Set(kept.map(({ kid }) => kid))
  return [...kept, ...change.added.filter(({ kid }) => !known.has(kid))]
}

function kidOf(keys: readonly PublicKey[], name: string, option: string): string {
  const found = keys.filter(({ kid }) => kid === name || (name.length >= prefixMin && kid.startsWith(name)))
  if (found.length === 1 && found[0] !== undefined) return found[0].kid
  throw new CliError('QIP_CLI_USAGE', {
    reason: `${option}: \`${name.slice(0, 64)}\` names ${found.length === 0 ? 'no key' : 'several keys'} of the document before`,
    next: `write at least ${prefixMin} characters of the thumbprint that \`qip keys root show\` prints`,
  })
}
