import { keyCustody, type KeyCustody } from '@quantum-ip/authority'
import { openFileCustody } from '@quantum-ip/custody'
import type { CustodyConfig } from '@quantum-ip/http'

/** Told of what an operator must hear of. */
export type TellEvent = (event: string, detail: Readonly<Record<string, string | number>>) => void

/**
 * Opens the custody of a configuration.
 *
 * @throws {CustodyError} as `openFileCustody`
 */
export async function openCustody(config: CustodyConfig, onEvent: TellEvent): Promise<KeyCustody> {
  const { directory, passphrase } = config
  const local = await openFileCustody({
    folder: directory,
    onEvent,
    ...(passphrase !== undefined && { passphrase }),
  })
  return keyCustody({ local })
}
