import { keyCustody, type KeyCustody } from '@quantum-ip/authority'
import {
  type Custody,
  openAwsKms,
  openFileCustody,
  openGoogleKms,
  openVaultTransit,
} from '@quantum-ip/custody'
import type { CustodyConfig } from '@quantum-ip/http'

/** Told of what an operator must hear of. */
export type TellEvent = (event: string, detail: Readonly<Record<string, string | number>>) => void

/**
 * Opens the custody of a configuration: files, and the key service where one is configured.
 *
 * @throws {CustodyError} as `openFileCustody`, and if the package of a service's maker is not installed
 */
export async function openCustody(config: CustodyConfig, onEvent: TellEvent): Promise<KeyCustody> {
  const { directory, passphrase, service } = config
  const local = await openFileCustody({
    folder: directory,
    onEvent,
    ...(passphrase !== undefined && { passphrase }),
  })
  return keyCustody({ local, service: service && (await openKeyService(service)) })
}

function openKeyService(service: NonNullable<CustodyConfig['service']>): Promise<Custody> {
  switch (service.kind) {
    case 'aws-kms':
      return openAwsKms(service)
    case 'google-kms':
      return openGoogleKms(service)
    case 'vault':
      return openVaultTransit(service)
  }
}
