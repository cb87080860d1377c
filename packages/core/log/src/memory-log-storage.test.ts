import { logStorageCases } from '../test/storage-cases.ts'
import { memoryLogStorage } from './memory-log-storage.ts'

logStorageCases('memory', async () => ({ storage: memoryLogStorage() }))
