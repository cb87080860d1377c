import type { DocumentKind } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'

/** A number that may only rise, as it is held and as a document offers it. */
export interface Rising {
  readonly what: string
  readonly held: number
  readonly offered: number
}

/** Refuses a number below the one held. */
export function checkNotBack(document: DocumentKind, { what, held, offered }: Rising): void {
  if (offered < held) throw new TrustError('QIP_TRUST_WENT_BACKWARDS', { document, what, held, offered })
}

/** For a document that differs from the one held: an equal number is as bad as a smaller one, and has its own code. */
export function checkRises(document: DocumentKind, rising: Rising): void {
  checkNotBack(document, rising)
  const { what, offered } = rising
  if (offered === rising.held) {
    throw new TrustError('QIP_TRUST_SEQUENCE_REUSED', { document, what, sequence: offered })
  }
}
