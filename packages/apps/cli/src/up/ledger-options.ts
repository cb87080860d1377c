import type { LedgerOptions } from '@quantum-ip/authority'
import { parseVkey } from '@quantum-ip/crypto'
import type { LedgerConfig, PublishConfig } from '@quantum-ip/http'
import { directoryStore, type ObjectStore, readS3Credentials, s3Store } from '@quantum-ip/mirror'

/**
 * Where the logs of a configuration go beyond the authority.
 *
 * @throws {MirrorError} `QIP_MIRROR_FILE_MALFORMED` for credentials of an object store
 */
export async function ledgerOptions({
  publish,
  witnesses,
  quorum,
  intervalMs,
}: LedgerConfig): Promise<LedgerOptions> {
  return {
    stores: await Promise.all(publish.map((place) => openStore(place))),
    witnesses: witnesses.map(({ name, vkey, url }) => ({ name, vkey: parseVkey(vkey), url })),
    quorum,
    intervalMs,
  }
}

async function openStore(place: PublishConfig): Promise<ObjectStore> {
  if (place.kind === 'directory') return directoryStore(place.directory)
  const { kind: _, credentialsFile, ...s3 } = place
  return s3Store({ ...s3, credentials: await readS3Credentials(credentialsFile) })
}
