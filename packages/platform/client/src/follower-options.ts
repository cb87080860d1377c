import type { Clock, JsonObject } from '@quantum-ip/base'
import type { Staleness, TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent, FollowerMode } from './follower-events.ts'
import type { Mirror } from './mirrors.ts'
import type { Session } from './session.ts'
import type { TakenDocument } from './taken-document.ts'

/** How often things are done; milliseconds. */
export interface FollowerTiming {
  /** Between polls of the state while there is no feed. Default 2,000. */
  readonly pollMs?: number
  /** Before the feed is opened again: first, and at most. Default 500 and 15,000. */
  readonly reconnectMs?: number
  readonly reconnectMaxMs?: number
  /** Without an event, after which the feed counts as lost. Default 20,000. */
  readonly feedIdleMs?: number
  /** At most, before the history is asked for after a gap: spread, so that not all followers ask at once. Default 500. */
  readonly gapJitterMs?: number
  /** Age of the state from which a gap in the heads is accepted rather than waited out. Default 30,000. */
  readonly gapAfterMs?: number
  /** Between snapshots. Default 5,000; longer where writing one takes long. */
  readonly snapshotMs?: number
  /** Between acknowledgements. Default 5,000. */
  readonly acknowledgeMs?: number
  /** Between looks at the root document. Default 600,000. */
  readonly rootCheckMs?: number
}

/** What an enforcement point is: how the fleet shows it. */
export type MemberKind = 'verifier' | 'gateway' | 'mirror'

/**
 * Verifies a token that the authority issued to see whether its next key is verified here, and returns the reason of the verdict. Its
 * rotation waits for that.
 */
export type VerifyProbe = (probe: {
  readonly token: string
  readonly audience: string
}) => Promise<string> | string

/** How much the authority wants to have checked at the moment, over what is configured here: it can only raise. */
export interface RaisedSampling {
  /** The least share of requests with a deep check, in percent, as an operator raised it; 0 where nobody did. */
  readonly percent: number
  /** Until when that holds; milliseconds, 0 for no end. */
  readonly untilMs: number
  /** Whether a critical security event is open. */
  readonly eventOpen: boolean
}

/** What a follower works with. */
export interface TrustFollowerOptions {
  /** A member's session, role `verifier`, or an operator's credential. Its transport knows the authority's addresses. */
  readonly session: Pick<Session, 'request' | 'stream' | 'transport'>
  /** Asked in this order while the authority is away. Default: none. */
  readonly mirrors?: readonly Mirror[]
  /** Holds nothing yet. */
  readonly store: TrustStore
  /** The name of this enforcement point, for acknowledgements; `undefined`: it is none, and acknowledges nothing. */
  readonly point: string | undefined
  /** Default `verifier`. */
  readonly kind?: MemberKind
  readonly region?: string
  /** Verifies probe tokens; absent where nothing verifies. */
  readonly verifyProbe?: VerifyProbe
  /** What is held besides, told with each acknowledgement. */
  readonly held?: () => JsonObject
  /** Where the trust is kept over restarts. */
  readonly snapshotFile?: string
  /** Default: the system's. */
  readonly clock?: Clock
  /** Age from which {@link FollowerStatus.staleness} says so. Default 300,000. */
  readonly staleAfterMs?: number
  readonly onEvent?: (event: FollowerEvent) => void
  /** Told of every document that was taken, as it came: for whoever hands them on. */
  readonly onTaken?: (document: TakenDocument) => void
  /** Told when the authority raises or lowers the share of deep checks. */
  readonly onSampling?: (sampling: RaisedSampling) => void
  readonly timing?: FollowerTiming
}

/** How things stand. */
export interface FollowerStatus {
  readonly mode: FollowerMode
  /** The address that is asked. */
  readonly authority: string
  readonly seq: number | undefined
  readonly epoch: number
  readonly bundleSequence: number | undefined
  /** Milliseconds since the held state was signed, `Infinity` without one. */
  readonly ageMs: number
  /** How far this clock was ahead of the signed time of the newest state when it came, also if it was refused for that. */
  readonly clockOffsetMs: number | undefined
  /** Why the trust held is not to be relied on, `undefined` if it is. */
  readonly staleness: Staleness | undefined
  /** How often the history was applied. */
  readonly caughtUp: number
  /** How often the feed was lost. */
  readonly feedsLost: number
  /** The sequence that the authority knows this point to hold. */
  readonly acknowledgedSeq: number | undefined
}

/** Keeps a trust store up to date. */
export interface TrustFollower extends AsyncDisposable {
  readonly store: TrustStore
  status(): FollowerStatus
  /** Says soon what is held here, though the trust state is the same. */
  acknowledge(): void
  /** Stops, and writes a last snapshot. */
  close(): Promise<void>
}
