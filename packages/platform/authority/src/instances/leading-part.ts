import type { RevocationRecord } from '@quantum-ip/trust'
import { type Bound, type Listener } from '@quantum-ip/http'
import { Authority } from '../authority.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import { type AuthorityServer, type AuthorityServerOptions, serveAuthority } from '../server.ts'
import { closeStatement } from '../issuance/token-log.ts'
import type { Store } from '../store/open-store.ts'
import { AbsentInstances } from './absent-instances.ts'
import { beat, FencedSql, type Leadership, resign } from './leadership.ts'
import { leaderName } from './issuing-instance.ts'
import { matterOf, type RevocationView } from './revocation-view.ts'

/** How an instance leads. */
export interface LeadingOptions {
  readonly name: string
  readonly store: Store
  readonly leadership: Leadership
  /** Who led before. */
  readonly before: Leadership
  readonly revocations: RevocationView
  readonly authority: AuthorityOptions
  /** Where it takes what only the leader does. */
  readonly listeners: readonly Listener[]
  readonly serve: Omit<AuthorityServerOptions, 'authority' | 'listeners'>
  /** The address under which others reach it, given what it listens on. */
  readonly urlOf: (bound: readonly Bound[]) => string
}

/** How often a leader shows that it is alive. */
const beatMs = 300
/** How often is looked who is gone for good. */
const watchMs = 60_000

/**
 * What one instance at a time has beside its issuing: the whole authority, over a store that takes its writes only while it leads.
 */
export class LeadingPart {
  readonly authority: Authority
  readonly #server: AuthorityServer
  readonly #options: LeadingOptions
  readonly #sql: FencedSql

  private constructor(options: LeadingOptions, sql: FencedSql, opened: Opened) {
    this.#options = options
    this.#sql = sql
    this.authority = opened.authority
    this.#server = opened.server
  }

  /** @param onLost called once when it does not lead any more, or the store is not what it was */
  static async open(options: LeadingOptions, onLost: (why: string) => void): Promise<LeadingPart> {
    const { name, store, leadership, revocations } = options
    const sql = new FencedSql(store.sql, leadership, onLost)
    // From now on, also while it opens: that takes longer than others wait.
    const beating = setInterval(() => void beat(store.sql, leadership).catch(lostBy(onLost)), beatMs)
    try {
      await closeUnproven(options, sql)
      const orphans = await revocations.settle()
      const authority = await Authority.open({
        ...options.authority,
        leads: leaderName(name),
        store: { ...store, sql, custody: { ...store.custody, close: nothing }, close: nothing },
      })
      const server = await serveAuthority({ ...options.serve, authority, listeners: options.listeners })
      await revokeAgain(authority, orphans)
      const part = new LeadingPart(options, sql, { authority, server })
      part.#beating = beating
      part.#watch()
      await part.#announce()
      return part
    } catch (error) {
      clearInterval(beating)
      await revocations.resume().catch(() => undefined)
      throw error
    }
  }

  #beating: NodeJS.Timeout | undefined
  #watching: NodeJS.Timeout | undefined

  /** The attestation log that it appends to. */
  get attestations(): string {
    return this.authority.registry.origin
  }

  /** @param hands whether another instance may take over at once */
  async close(hands: boolean): Promise<void> {
    clearInterval(this.#beating)
    clearInterval(this.#watching)
    await this.#server.close()
    await this.authority.close().catch(() => undefined)
    if (hands) await resign(this.#options.store.sql, this.#options.leadership).catch(() => undefined)
    await this.#options.revocations.resume().catch(() => undefined)
  }

  #watch(): void {
    const absent = new AbsentInstances()
    const { keys, clock } = this.authority
    this.#watching = setInterval(() => {
      void absent.retire({ sql: this.#sql, keys }, clock.now()).catch(() => undefined)
    }, watchMs)
    this.#watching.unref()
  }

  async #announce(): Promise<void> {
    const { leadership, urlOf } = this.#options
    const { term, holder } = leadership
    await this.#sql.transact([
      {
        sql: "UPDATE leadership SET url = ? WHERE name = 'leader' AND term = ? AND holder = ?",
        params: [urlOf(this.#server.bound), term, holder],
      },
    ])
  }
}

interface Opened {
  readonly authority: Authority
  readonly server: AuthorityServer
}

const nothing = (): Promise<void> => Promise.resolve()

function lostBy(onLost: (why: string) => void): (error: unknown) => void {
  return (error) => {
    if ((error as { code?: string }).code === 'QIP_AUTHORITY_CONFLICT') onLost('the leadership')
  }
}

/**
 * Where commits may be lost without anybody knowing, an attestation log ends with the instance that appended to it: only that one knows
 * what was acknowledged.
 */
async function closeUnproven({ store, name, before }: LeadingOptions, sql: FencedSql): Promise<void> {
  if (store.isSynchronous || before.instance === '' || before.instance === name) return
  const rows = await sql.query("SELECT DISTINCT log FROM keys WHERE use = 'qip-log' AND state = 'active'")
  await sql.transact(rows.map((row) => closeStatement(row['log'] as string)))
}

/** What was revoked here, and is not in the store. */
async function revokeAgain(authority: Authority, orphans: readonly RevocationRecord[]): Promise<void> {
  const known = new Set(authority.revocations.list().map((record) => matterOf(record)))
  for (const record of orphans) {
    const { epoch: _, time: __, ...order } = record
    if (!known.has(matterOf(record))) await authority.revoke(order)
  }
}
