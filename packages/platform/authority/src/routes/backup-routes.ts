import { Readable } from 'node:stream'
import type { App } from '@quantum-ip/http'
import { requireRole } from '@quantum-ip/http'
import { AuthorityError } from '../authority-errors.ts'
import { openBackup } from '../backup/backup-store.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

/** Backups, for administrators: what is in one lets its owner take part in the trust domain. */
export function addBackupRoutes(app: App, { authority }: RouteContext): void {
  let isBusy = false
  app.post(
    '/v1/backups',
    { config: { ...requireRole('admin'), longLived: true }, schema: { body: closed({}) } },
    async (request, reply) => {
      // Each one takes the room of a copy of the store.
      if (isBusy)
        throw new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what: 'another backup is being made' })
      isBusy = true
      const done = (): void => {
        isBusy = false
      }
      try {
        const { trustDomain, clock, store } = authority
        // In the backup, too: who restores it sees when it was made.
        await authority.acts.record(actorOf(request), 'backup', {})
        const lines = await openBackup({ sql: store.sql, trustDomain, nowMs: clock.now() })
        const body = Readable.from(lines).once('close', done)
        return await reply.type('application/jsonl').header('cache-control', 'no-store').send(body)
      } catch (error) {
        done()
        throw error
      }
    },
  )
}
