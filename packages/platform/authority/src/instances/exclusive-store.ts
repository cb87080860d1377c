import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { AuthorityError } from '../authority-errors.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import { openStore, type Store } from '../store/open-store.ts'
import { beat, FencedSql, type Leadership, readLeadership, resign, takeOver } from './leadership.ts'

const beatMs = 300
/** Who was silent for so long is gone. */
const silenceMs = 1_600

/** Opens the store of one authority alone. @throws {AuthorityError} as {@link openStore} */
export async function openAlone({ places, trustDomain, onEvent }: AuthorityOptions): Promise<Store> {
  const store = await openStore(places, trustDomain, onEvent)
  // A file is locked by its one process.
  if (places.postgres === undefined) return store
  try {
    return await lead(store)
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * A store in a database that other processes could open too: it takes the lead, and whatever it writes holds only while it has it. A second
 * authority is refused; one that was given up for dead writes nothing any more.
 */
async function lead(store: Store): Promise<Store> {
  const leadership = await takeAlone(store)
  const beating = setInterval(() => void beat(store.sql, leadership).catch(() => undefined), beatMs)
  beating.unref()
  return {
    ...store,
    sql: new FencedSql(store.sql, leadership, () => clearInterval(beating)),
    async close() {
      clearInterval(beating)
      await resign(store.sql, leadership).catch(() => undefined)
      await store.close()
    },
  }
}

async function takeAlone({ sql }: Store): Promise<Leadership> {
  const by = { instance: `${hostname()} ${process.pid}`, url: 'alone' }
  const found = await readLeadership(sql)
  if (found.url !== '') await pause(silenceMs)
  // Not one beat since: nobody is there.
  const own = await takeOver(sql, found, by)
  if (own === undefined) throw new AuthorityError('QIP_AUTHORITY_DATA_LOCKED', { folder: 'PostgreSQL' })
  return own
}
