// The tests of policies.test.ts once more, over a real PostgreSQL.
import { usePostgres } from './use-postgres.ts'

if (await usePostgres()) await import('./policies.test.ts')
