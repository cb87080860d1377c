import { Pool } from 'pg'

/** Who leads, as the store itself has it: what an instance says of that may be old, or not be read yet. */
export class LeadershipRow {
  readonly #pool: Pool

  constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 2 })
  }

  /** Who led last; empty where nobody ever did. */
  async leader(): Promise<string> {
    const { rows } = await this.#pool.query<{ instance: string }>('SELECT instance FROM leadership')
    return rows[0]?.instance ?? ''
  }

  /**
   * Does `work` while nobody leads and nobody can take over, if the last one that led is `dead`: whoever takes over changes the row,
   * which is held.
   *
   * @returns whether it was done
   */
  async withoutLeader(dead: string, work: () => Promise<void>): Promise<boolean> {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      const { rows } = await client.query<{ instance: string }>('SELECT instance FROM leadership FOR UPDATE')
      if (rows[0]?.instance !== dead) return false
      await work()
      return true
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}
