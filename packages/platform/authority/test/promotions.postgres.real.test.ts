// The tests of promotions.test.ts once more, over a real PostgreSQL.
import { usePostgres } from './use-postgres.ts'

if (await usePostgres()) await import('./promotions.test.ts')
