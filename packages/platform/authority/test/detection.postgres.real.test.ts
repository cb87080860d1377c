// The tests of detection.test.ts and records.test.ts once more, over a real PostgreSQL.
import { usePostgres } from './use-postgres.ts'

if (await usePostgres()) {
  await import('./detection.test.ts')
  await import('./records.test.ts')
}
