import { hex, type ServiceId } from '@quantum-ip/base'
import { formatIdentifier, parseIdentifier, quantumIpIdentifier } from '@quantum-ip/token'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from '../store/sql.ts'

/** What an identifier names. */
export interface NamedWorkload {
  /** In IPv6 text form. */
  readonly id: string
  readonly sid: ServiceId
  /** Lowercase hexadecimal; empty where the workload has no build. */
  readonly build: string
}

/**
 * The 128-bit identifiers that were given out: derived, but kept, so that they can be looked up, and so that a second binding
 * of one (a collision of 120 bits) is refused instead of believed.
 */
export class Identifiers {
  readonly #sql: Sql
  readonly #known = new Map<string, string>()

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /**
   * The identifier of a workload, recorded.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_ALREADY_BOUND` if it names another workload.
   */
  async bind(sid: ServiceId, build: Uint8Array | undefined): Promise<string> {
    const id = formatIdentifier(quantumIpIdentifier(sid, build))
    const digest = build === undefined ? '' : hex(build)
    const binding = `${sid} ${digest}`
    if (this.#known.get(id) === binding) return id
    await this.#sql.transact([
      {
        sql: 'INSERT INTO identifiers (id, sid, build) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
        params: [id, sid, digest],
      },
    ])
    const bound = await this.find(id)
    if (bound === undefined || `${bound.sid} ${bound.build}` !== binding) {
      throw new AuthorityError('QIP_AUTHORITY_ALREADY_BOUND', { what: `identifier \`${id}\`` })
    }
    this.#known.set(id, binding)
    return id
  }

  /** What an identifier names. @throws {TokenError} if the text is no identifier */
  async find(text: string): Promise<NamedWorkload | undefined> {
    const id = formatIdentifier(parseIdentifier(text))
    const [row] = await this.#sql.query('SELECT sid, build FROM identifiers WHERE id = ?', [id])
    return row && { id, sid: row['sid'] as string, build: row['build'] as string }
  }
}
