import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { base64url, isQipError, type JsonObject, parseBase64url, type Random } from '@quantum-ip/base'

/** How a passphrase becomes a key: Argon2id (RFC 9106), with parameters that are kept beside what is sealed. */
export interface Stretching {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Uint8Array
}

/**
 * For passphrases that people choose: the second recommended set of RFC 9106, section 4. 0.2 s on one core of the machine that this
 * was measured on, once per start.
 */
const forPeople = { memoryKib: 65_536, passes: 3, lanes: 4 }

/** For passphrases of 256 random bits, which nobody guesses: stretching them adds nothing but time. */
const forMachines = { memoryKib: 8_192, passes: 1, lanes: 1 }

/** Draws the parameters for a new passphrase. */
export function newStretching(random: Random, { isRandom }: { isRandom: boolean }): Stretching {
  return { ...(isRandom ? forMachines : forPeople), salt: random.bytes(16) }
}

/** The parameters as they stand in a file. */
export function stretchingJson({ memoryKib, passes, lanes, salt }: Stretching): JsonObject {
  return { kdf: 'argon2id', memoryKib, passes, lanes, salt: base64url(salt) }
}

/** Reads parameters. They are limited, so that a file cannot make a start take for ever; `undefined` if they are none. */
export function parseStretching(head: JsonObject): Stretching | undefined {
  const { kdf, memoryKib, passes, lanes, salt } = head
  if (kdf !== 'argon2id' || typeof salt !== 'string') return undefined
  if (!isWithin(lanes, 1, 16) || !isWithin(passes, 1, 64) || !isWithin(memoryKib, 8 * lanes, 1_048_576)) {
    return undefined
  }
  try {
    const bytes = parseBase64url(salt)
    return bytes.length >= 16 && bytes.length <= 64 ? { memoryKib, passes, lanes, salt: bytes } : undefined
  } catch (error) {
    if (!isQipError(error)) throw error
    return undefined
  }
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}

const argon2OnPool = promisify(argon2)

/** A key of 32 bytes, made on the thread pool. */
export async function stretch(passphrase: Uint8Array, stretching: Stretching): Promise<Uint8Array> {
  const { memoryKib, passes, lanes, salt } = stretching
  return argon2OnPool('argon2id', {
    message: passphrase,
    nonce: salt,
    parallelism: lanes,
    tagLength: 32,
    memory: memoryKib,
    passes,
  })
}
