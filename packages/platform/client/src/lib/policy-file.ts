import { readFile } from 'node:fs/promises'
import { utf8 } from '@quantum-ip/base'
import { writeSnapshotFile } from './snapshot-file.ts'

/** The signed documents about one policy, DSSE as JSON. */
export interface PolicyEnvelopes {
  readonly rollout: string
  readonly active: string
  readonly candidate: string | undefined
}

const format = 'quantum-ip-policies/1'

/**
 * Reads the policies that were kept, by name. Nothing of it is verified.
 *
 * @throws {Error} if there is no such file, or it is damaged: then there is nothing to begin with
 */
export async function readPolicyFile(file: string): Promise<ReadonlyMap<string, PolicyEnvelopes>> {
  const whole = JSON.parse(await readFile(file, 'utf8')) as {
    readonly format?: unknown
    readonly policies?: Readonly<Record<string, Partial<Record<keyof PolicyEnvelopes, unknown>>>>
  }
  if (whole.format !== format) return new Map()
  return new Map(
    Object.entries(whole.policies ?? {}).map(([name, { rollout, active, candidate }]) => [
      name,
      { rollout: textOf(rollout), active: textOf(active), candidate: optional(candidate) },
    ]),
  )
}

/** Keeps policies, whole or not at all. @throws {ClientError} `QIP_CLIENT_SNAPSHOT_UNWRITABLE` */
export function writePolicyFile(file: string, policies: ReadonlyMap<string, PolicyEnvelopes>): Promise<void> {
  return writeSnapshotFile(file, utf8(JSON.stringify({ format, policies: Object.fromEntries(policies) })))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function optional(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
