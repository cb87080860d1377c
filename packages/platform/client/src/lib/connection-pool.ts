import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { Pool, buildConnector } from 'undici'
import { ClientError } from '../client-errors.ts'
import type { Address } from './address.ts'

/** How connections to an address are made. */
export interface PoolOptions {
  readonly ca?: string | readonly string[]
  readonly pinnedCertificate?: string
  readonly requirePostQuantum: boolean
  readonly connectionsMax: number
  readonly timeoutMs: number
}

/** The connections to one address. */
export function openPool(address: Address, options: PoolOptions): Pool {
  return new Pool(address.origin, {
    connections: options.connectionsMax,
    pipelining: 1,
    // One protocol is enough to reason about: a feed holds one connection, and calls are few and large.
    allowH2: false,
    // The time limits of requests are ours; a feed has none.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: connector(address, options),
  })
}

function connector(address: Address, options: PoolOptions): buildConnector.connector {
  const { socketPath, isTls } = address
  const timeout = options.timeoutMs
  if (socketPath !== undefined) return buildConnector({ allowH2: false, timeout, socketPath })
  if (!isTls) return buildConnector({ allowH2: false, timeout })
  const { ca, pinnedCertificate, requirePostQuantum } = options
  const pin = pinnedCertificate === undefined ? undefined : parsePin(pinnedCertificate)
  const connect = buildConnector({
    allowH2: false,
    timeout,
    minVersion: 'TLSv1.3',
    // Offering nothing else is what makes it required: a server that has it not refuses the handshake.
    ecdhCurve: requirePostQuantum ? 'X25519MLKEM768' : 'X25519MLKEM768:X25519',
    ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
    // A pinned certificate is checked by its hash before a byte is sent. A resumed session would show none.
    ...(pin !== undefined && { rejectUnauthorized: false, maxCachedSessions: 0 }),
  })
  if (pin === undefined) return connect
  return (target, callback) => {
    connect(target, (...[error, socket]: [Error, null] | [null, Socket | TLSSocket]) => {
      if (error !== null) return callback(error, null)
      const reason = pinRefusal(socket, pin)
      if (reason === undefined) return callback(null, socket)
      socket.destroy()
      callback(new ClientError('QIP_CLIENT_CHANNEL_REFUSED', { address: address.text, reason }), null)
    })
  }
}

function pinRefusal(socket: Socket, pin: Uint8Array): string | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
  if (certificate === undefined) return 'it shows no certificate'
  const found = createHash('sha256').update(certificate.raw).digest()
  return timingSafeEqual(found, pin)
    ? undefined
    : `its certificate is another: SHA-256 ${found.toString('hex')}`
}

function parsePin(text: string): Uint8Array {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(digits)) {
    throw new TypeError('pinnedCertificate is the SHA-256 of a certificate in hex')
  }
  return Buffer.from(digits, 'hex')
}
