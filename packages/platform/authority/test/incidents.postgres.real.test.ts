// The tests of incidents.test.ts once more, over a real PostgreSQL.
import { usePostgres } from './use-postgres.ts'

if (await usePostgres()) await import('./incidents.test.ts')
