/*
 * The memory of a replay filter: one SharedArrayBuffer of 32-bit words that threads share.
 *
 *   header    64 words
 *   ring      32 words, the time bucket that each ring place holds (0: none, -1: being emptied)
 *   counts    32 words, tokens in it
 *   inside    32 words, threads that are inserting there at this moment
 *   logs      1,024 x 16 words: SHA-256(origin)[8], high, floor low, floor high, floor known, last bucket,
 *             deep bucket, generation
 *   roots     32 x 1,024 words: the root of (ring place, log): 0, a chunk, or a fan (negative)
 *   retries   4,096 x 8 words: tag[4], seconds
 *   used      one bit per chunk
 *   owners    one word per chunk: ring place + 1
 *   children  two words per chunk
 *   chunks    256 words each: 8 groups of 16 keys, then their 128 bitmaps; or a fan of 256 chunks
 *
 * A key is index / 32 below 2^36, plus one; its bitmap has one bit per token. A key lives in the first
 * group on its path with room; nothing is ever taken out of a chunk, so two threads that insert the
 * same key meet in the same word, and one `Atomics.or` decides between them. No locks on the way.
 */

/** Seconds of `exp` that share a time bucket. */
export const bucketS = 15
/** Time buckets that are held at once: eight minutes. A power of two. */
export const ringPlaces = 32
/** Logs whose tokens can be held at once. */
export const logsMax = 1_024
/** Words of one log's record. */
export const logWords = 16
/** Words of one chunk. */
export const chunkWords = 256
/** Groups of keys in a chunk. A power of two. */
export const groups = 8
/** Keys in a group: one line of the processor's cache. */
export const groupKeys = 16
/** From a key to its bitmap, in words. */
export const bitmapsAt = groups * groupKeys
/** Chunks under a fan. A power of two. */
export const fanOut = 256
/** Retries that are remembered. A power of two. */
export const retriesMax = 4_096
/** Words of one remembered retry. */
export const retryWords = 8

const magic = 0x51_49_50_31

/** Words of the header. */
export const headerWord = {
  magic: 0,
  chunks: 1,
  droppedThrough: 2,
  lock: 3,
  floors: 4,
  startedS: 5,
  startedMs: 6,
  cursor: 7,
  chunksUsed: 8,
  swept: 9,
} as const

/** Words of a log's record. */
export const logWord = {
  high: 8,
  floorLow: 9,
  floorHigh: 10,
  floorKnown: 11,
  last: 12,
  deep: 13,
  generation: 14,
} as const

const ringAt = 64
const countsAt = ringAt + ringPlaces
const insideAt = countsAt + ringPlaces
const logsAt = insideAt + ringPlaces
const rootsAt = logsAt + logsMax * logWords
const retriesAt = rootsAt + ringPlaces * logsMax
const usedAt = retriesAt + retriesMax * retryWords
const wordsFixed = usedAt

/** Where the parts of a memory begin, in words. */
export interface ReplayLayout {
  readonly words: Int32Array
  readonly chunks: number
  readonly ringAt: number
  readonly countsAt: number
  readonly insideAt: number
  readonly logsAt: number
  readonly rootsAt: number
  readonly retriesAt: number
  readonly usedAt: number
  readonly ownersAt: number
  readonly childrenAt: number
  readonly chunksAt: number
}

function layout(words: Int32Array, chunks: number): ReplayLayout {
  const ownersAt = usedAt + Math.ceil(chunks / 32)
  const childrenAt = ownersAt + chunks
  return {
    words,
    chunks,
    ringAt,
    countsAt,
    insideAt,
    logsAt,
    rootsAt,
    retriesAt,
    usedAt,
    ownersAt,
    childrenAt,
    chunksAt: childrenAt + 2 * chunks,
  }
}

/** Lays out a new memory of about `bytes`. */
export function formatReplayMemory(bytes: number, startedMs: number): SharedArrayBuffer {
  const wordsWanted = Math.floor(bytes / 4)
  // Per chunk: its words, one owner, two children, one bit.
  const chunks = Math.floor((wordsWanted - wordsFixed - 1) / (chunkWords + 3 + 1 / 32))
  if (chunks < 64) throw new TypeError('a replay memory needs at least 512 KB')
  const memory = new SharedArrayBuffer((layout(new Int32Array(0), chunks).chunksAt + chunks * chunkWords) * 4)
  const words = new Int32Array(memory)
  words[headerWord.chunks] = chunks
  words[headerWord.startedS] = Math.floor(startedMs / 1_000)
  words[headerWord.startedMs] = startedMs % 1_000
  words[headerWord.droppedThrough] = Math.floor(startedMs / 1_000 / bucketS) - 5
  words[headerWord.swept] = words[headerWord.droppedThrough] ?? 0
  // Chunk 0 is never given out, so that 0 can mean none.
  words[usedAt] = 1
  Atomics.store(words, headerWord.magic, magic)
  return memory
}

/** The layout of a memory that {@link formatReplayMemory} made, here or on another thread. */
export function openReplayMemory(memory: SharedArrayBuffer): ReplayLayout {
  const words = new Int32Array(memory)
  if (Atomics.load(words, headerWord.magic) !== magic) throw new TypeError('not a replay memory')
  return layout(words, Atomics.load(words, headerWord.chunks))
}

/** Takes a chunk for a ring place and clears it; 0 if there is none left. */
export function takeChunk(at: ReplayLayout, place: number): number {
  const { words } = at
  // Full is full: no walk over all of them for each token that is refused.
  if (Atomics.load(words, headerWord.chunksUsed) >= at.chunks - 1) return 0
  const size = Math.ceil(at.chunks / 32)
  const from = Atomics.load(words, headerWord.cursor)
  for (let step = 0; step < size; step++) {
    const word = (from + step) % size
    let free = ~Atomics.load(words, at.usedAt + word)
    while (free !== 0) {
      const bit = 31 - Math.clz32(free)
      const chunk = word * 32 + bit
      free &= ~(1 << bit)
      if (chunk >= at.chunks) continue
      if ((Atomics.or(words, at.usedAt + word, 1 << bit) & (1 << bit)) !== 0) continue
      Atomics.store(words, headerWord.cursor, word)
      Atomics.store(words, at.ownersAt + chunk, place + 1)
      Atomics.add(words, headerWord.chunksUsed, 1)
      const start = at.chunksAt + chunk * chunkWords
      // Plain writes: the chunk is nobody else's until an atomic store publishes it.
      words.fill(0, start, start + chunkWords)
      words.fill(0, at.childrenAt + chunk * 2, at.childrenAt + chunk * 2 + 2)
      return chunk
    }
  }
  return 0
}

/** Gives back one chunk that was never published. */
export function returnChunk(at: ReplayLayout, chunk: number): void {
  Atomics.store(at.words, at.ownersAt + chunk, 0)
  Atomics.sub(at.words, headerWord.chunksUsed, 1)
  Atomics.and(at.words, at.usedAt + Math.floor(chunk / 32), ~(1 << (chunk % 32)))
}

/**
 * Empties every ring place whose bucket is dropped.
 *
 * A place is emptied only while nobody is inside: it is marked first, so that whoever comes later sees
 * the mark, and whoever came earlier is counted. A thread that stalls inside postpones it; one that
 * dies there makes the filter fill up and refuse, never forget.
 */
export function sweepPlaces(at: ReplayLayout, droppedThrough: number): void {
  const { words } = at
  let postponed = false
  for (let place = 0; place < ringPlaces; place++) {
    const bucket = Atomics.load(words, at.ringAt + place)
    if (bucket <= 0 || bucket > droppedThrough) continue
    if (Atomics.compareExchange(words, at.ringAt + place, bucket, -1) !== bucket) continue
    if (Atomics.load(words, at.insideAt + place) === 0) {
      emptyPlace(at, place)
    } else {
      Atomics.store(words, at.ringAt + place, bucket)
      postponed = true
    }
  }
  if (!postponed) raise(words, headerWord.swept, droppedThrough)
}

function emptyPlace(at: ReplayLayout, place: number): void {
  const { words } = at
  words.fill(0, at.rootsAt + place * logsMax, at.rootsAt + (place + 1) * logsMax)
  for (let chunk = 1; chunk < at.chunks; chunk++) {
    if (Atomics.load(words, at.ownersAt + chunk) === place + 1) returnChunk(at, chunk)
  }
  Atomics.store(words, at.countsAt + place, 0)
  Atomics.store(words, at.ringAt + place, 0)
}

/** Raises a word to at least `value`, whatever other threads do to it. */
export function raise(words: Int32Array, at: number, value: number): void {
  for (;;) {
    const seen = Atomics.load(words, at)
    if (seen >= value || Atomics.compareExchange(words, at, seen, value) === seen) return
  }
}
