import type { CodedError } from '@quantum-ip/base'

/** What a trust follower reports, as it happens. */
export type FollowerEvent =
  /** The snapshot on disk was good; the trust in it may be old. */
  | { readonly kind: 'snapshot_loaded'; readonly seq: number | undefined }
  /** The snapshot on disk is damaged, expired or of another trust domain. The network is asked. */
  | { readonly kind: 'snapshot_refused'; readonly error: CodedError }
  | { readonly kind: 'snapshot_written'; readonly bytes: number }
  | { readonly kind: 'snapshot_unwritable'; readonly error: CodedError }
  /** The history was applied. */
  | { readonly kind: 'caught_up'; readonly seq: number; readonly epoch: number }
  | { readonly kind: 'feed_opened'; readonly authority: string }
  /** The feed ended. It is opened again; meanwhile the state is polled. */
  | { readonly kind: 'feed_lost'; readonly error: CodedError }
  /** The feed left something out, or began anew: the history is asked for. */
  | { readonly kind: 'gap'; readonly reason: string }
  /** Heads between two states could not be had for too long: older heads are asked for one by one from now on. */
  | { readonly kind: 'gap_accepted'; readonly seq: number }
  /** The authority is away, and a mirror gave a newer state. Told when it begins, and when another mirror takes over. */
  | { readonly kind: 'mirror_used'; readonly mirror: string; readonly seq: number }
  /** A mirror gave nothing, or nothing that verifies. */
  | { readonly kind: 'mirror_failed'; readonly mirror: string; readonly error: CodedError }
  /** A poll brought no state. */
  | { readonly kind: 'poll_failed'; readonly error: CodedError }
  | { readonly kind: 'root_check_failed'; readonly error: CodedError }
  | { readonly kind: 'acknowledgement_failed'; readonly error: CodedError }

/** How a follower gets its states now. */
export type FollowerMode = 'starting' | 'feed' | 'polling' | 'closed'
