import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from './sql.ts'

/** What the server says about how long a commit waits. A setting that the engine does not have is `undefined`. */
export interface DurabilitySettings {
  readonly synchronousCommit: string | undefined
  readonly standbyNames: string | undefined
  readonly fsync: string | undefined
}

/** In these modes a commit waits for a standby's disk, if one is named. */
const waiting: ReadonlySet<string> = new Set(['on', 'remote_apply'])

/**
 * Why the server would acknowledge a commit before a standby has it, or `undefined` if it would not. Engines without these settings
 * replicate in their own way: nothing is said of them.
 */
export function lackOfDurability(settings: DurabilitySettings): string | undefined {
  const { synchronousCommit, standbyNames, fsync } = settings
  if (fsync === 'off') return '`fsync` is off: a power cut loses what was acknowledged'
  if (synchronousCommit === undefined) return undefined
  if (!waiting.has(synchronousCommit)) return `\`synchronous_commit\` is ${synchronousCommit}`
  if (standbyNames === '') return '`synchronous_standby_names` is empty: no standby is waited for'
  return undefined
}

/** Reads the settings as they hold for the connections of this process. */
export async function readDurability(sql: Sql): Promise<DurabilitySettings> {
  const read = async (name: string): Promise<string | undefined> => {
    try {
      const [row] = await sql.query('SELECT current_setting(?, true) AS value', [name])
      return (row?.['value'] as string | null | undefined) ?? undefined
    } catch {
      return undefined
    }
  }
  return {
    synchronousCommit: await read('synchronous_commit'),
    standbyNames: await read('synchronous_standby_names'),
    fsync: await read('fsync'),
  }
}

/**
 * Checks that what is acknowledged outlives the server.
 *
 * @param required whether a server that would lose it is refused
 * @returns what is to be told to the operator, if anything
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS`
 */
export async function checkDurability(sql: Sql, required: boolean): Promise<string | undefined> {
  const lack = lackOfDurability(await readDurability(sql))
  if (lack !== undefined && required) {
    throw new AuthorityError('QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS', { reason: lack })
  }
  return lack
}
