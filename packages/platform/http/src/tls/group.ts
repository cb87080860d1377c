import type { Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { clientHelloBytesMax, type ClientHello, readClientHello } from './client-hello.ts'

/** The key exchanges that our listeners know. */
export type TlsGroup = 'X25519MLKEM768' | 'X25519'

/** Whether X25519MLKEM768 is taken where the client has it, or demanded. */
export type KeyExchange = 'preferred' | 'required'

// IANA "TLS Supported Groups".
const postQuantum = 0x11ec
const classical = 0x001d

/**
 * OpenSSL's list of groups for a key exchange setting.
 *
 * The slash makes two tiers: a client that can do X25519MLKEM768 but guessed X25519 is asked again
 * (HelloRetryRequest). With a colon OpenSSL takes whichever of the two the client sent a share for (measured).
 */
export function groupList(keyExchange: KeyExchange): string {
  return keyExchange === 'required' ? 'X25519MLKEM768' : 'X25519MLKEM768/X25519'
}

/** What {@link watchTlsGroups} tells. */
export interface TlsGroupObserver {
  /** A handshake succeeded, with this group. */
  readonly onGroup?: (group: TlsGroup) => void
  /** A handshake failed. `no_common_group`: the client offered no group that this listener takes. */
  readonly onRefused?: (reason: 'no_common_group' | 'other') => void
}

const groups = new WeakMap<object, TlsGroup>()

/** The key exchange of a connection to a watched server; `undefined` for plain connections. */
export function tlsGroupOf(socket: object): TlsGroup | undefined {
  return groups.get(socket)
}

/**
 * Makes the key exchange of each connection readable through {@link tlsGroupOf}, and counted through `observer`.
 *
 * Node's `getEphemeralKeyInfo()` answers on clients only, and is null on a server. So the ClientHello is read
 * before TLS gets it: with TLS 1.3 and two tiers of one group each, what the client offers decides what is taken.
 * Holds for a server made with `minVersion: 'TLSv1.3'` and {@link groupList}.
 */
export function watchTlsGroups(
  server: TlsServer,
  options: TlsGroupObserver & { readonly keyExchange: KeyExchange; readonly helloTimeoutMs?: number },
): void {
  const { keyExchange, helloTimeoutMs = 10_000 } = options
  const begin = server.listeners('connection') as ((socket: Socket) => void)[]
  const hellos = new Map<string, ClientHello>()
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const key = endpoints(socket)
    socket.once('close', () => hellos.delete(key))
    peekHello(socket, helloTimeoutMs, (hello) => {
      if (hello !== undefined) hellos.set(key, hello)
      for (const listener of begin) listener.call(server, socket)
    })
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const hello = hellos.get(endpoints(socket))
    const group = hello === undefined ? undefined : chosenGroup(hello, keyExchange)
    if (group === undefined) return
    groups.set(socket, group)
    options.onGroup?.(group)
  })
  server.on('tlsClientError', (_error, socket: TLSSocket) => {
    const hello = hellos.get(endpoints(socket))
    const common = hello === undefined || chosenGroup(hello, keyExchange) !== undefined
    options.onRefused?.(common ? 'other' : 'no_common_group')
  })
}

/** The group that a listener takes from what a client offers. */
export function chosenGroup(hello: ClientHello, keyExchange: KeyExchange): TlsGroup | undefined {
  if (hello.groups.includes(postQuantum)) return 'X25519MLKEM768'
  return keyExchange === 'preferred' && hello.groups.includes(classical) ? 'X25519' : undefined
}

// A TLSSocket names the same two ends as the socket below it; no public property leads from one to the other.
function endpoints(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}

// What was read is put back: TLS then begins as if nobody had looked. Whatever is no ClientHello is left to TLS to refuse.
function peekHello(socket: Socket, timeoutMs: number, then: (hello: ClientHello | undefined) => void): void {
  let bytes: Buffer = Buffer.alloc(0)
  const give = (hello: ClientHello | undefined): void => {
    clearTimeout(timer)
    socket.off('readable', read)
    socket.off('error', ignore)
    if (socket.destroyed) return
    if (bytes.length > 0) socket.unshift(bytes)
    then(hello)
  }
  const read = (): void => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const hello = readClientHello(bytes)
    if (hello === 'malformed' || bytes.length > clientHelloBytesMax) give(undefined)
    else if (hello !== undefined) give(hello)
  }
  const ignore = (): void => {
    socket.destroy()
  }
  const timer = setTimeout(() => socket.destroy(), timeoutMs)
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', ignore)
  socket.on('readable', read)
}
