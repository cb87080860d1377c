import type { Log } from '@quantum-ip/log'

/**
 * Has a checkpoint cosigned by witnesses, and returns the note with their lines.
 *
 * @throws {MirrorError} `QIP_MIRROR_QUORUM_MISSING`
 */
export type Cosign = (note: string, log: Pick<Log, 'consistencyProof'>) => Promise<string>
