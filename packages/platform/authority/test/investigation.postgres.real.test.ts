// The tests of investigation.test.ts once more, over a real PostgreSQL.
import { usePostgres } from './use-postgres.ts'

if (await usePostgres()) await import('./investigation.test.ts')
