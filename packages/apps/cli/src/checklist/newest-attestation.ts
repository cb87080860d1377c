import { Buffer } from 'node:buffer'
import { parseAttestationEntry } from '@quantum-ip/attestation'
import { fetchCheckpoint, fetchEntries, type Requester } from '@quantum-ip/client'
import { parseEnvelope } from '@quantum-ip/crypto'
import { parseEntryBundle } from '@quantum-ip/log'
import { parseState } from '@quantum-ip/trust'

/** The newest attestation in the logs of an authority. */
export interface NewestAttestation {
  readonly timeMs: number
  /** How many there are in its log. */
  readonly count: number
}

const bundleWidth = 256

/** The newest attestation of the open attestation logs, unverified: it says when pipelines signed last. `undefined`: there is none. */
export async function readNewestAttestation(requester: Requester): Promise<NewestAttestation | undefined> {
  const request = { operation: 'the state', method: 'GET', target: '/v1/state' } as const
  const { logs } = parseState(parseEnvelope((await requester.request(request)).body).payload)
  let newest: NewestAttestation | undefined
  for (const origin of logs.keys()) {
    if (!/\/attestations\/\d+$/.test(origin)) continue
    const found = await newestOf(requester, origin)
    if (found !== undefined && found.timeMs > (newest?.timeMs ?? 0)) newest = found
  }
  return newest
}

async function newestOf(requester: Requester, origin: string): Promise<NewestAttestation | undefined> {
  const note = Buffer.from(await fetchCheckpoint(requester, origin)).toString()
  const size = Number(note.split('\n')[1])
  // The first entry is the null entry.
  if (!Number.isSafeInteger(size) || size < 2) return undefined
  const index = Math.floor((size - 1) / bundleWidth)
  const width = size - index * bundleWidth
  const entry = parseEntryBundle(await fetchEntries(requester, origin, { index, width }))[width - 1]
  return entry === undefined ? undefined : { timeMs: parseAttestationEntry(entry).timeMs, count: size - 1 }
}
