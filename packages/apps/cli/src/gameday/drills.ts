import type { Drill } from './drill.ts'
import { authorityCrash } from './drills/authority-crash.ts'
import { authorityFailover } from './drills/authority-failover.ts'
import { clockSkew } from './drills/clock-skew.ts'
import { diskFull } from './drills/disk-full.ts'
import { feedPartition } from './drills/feed-partition.ts'
import { headerLoss } from './drills/header-loss.ts'
import { ledgerOutage } from './drills/ledger-outage.ts'
import { postgresFailover } from './drills/postgres-failover.ts'
import { redisLoss } from './drills/redis-loss.ts'
import { replay } from './drills/replay.ts'
import { restoredBackup } from './drills/restored-backup.ts'
import { rotationFailure } from './drills/rotation-failure.ts'
import { stolenIssuingKey } from './drills/stolen-issuing-key.ts'
import { tamperedImage } from './drills/tampered-image.ts'
import { verifierOverload } from './drills/verifier-overload.ts'
import { witnessLoss } from './drills/witness-loss.ts'
import { wrongPolicy } from './drills/wrong-policy.ts'

/** Every drill, in the order in which they run. */
export const drills: readonly Drill[] = [
  rotationFailure,
  verifierOverload,
  headerLoss,
  replay,
  ledgerOutage,
  wrongPolicy,
  stolenIssuingKey,
  tamperedImage,
  clockSkew,
  authorityCrash,
  authorityFailover,
  diskFull,
  redisLoss,
  postgresFailover,
  feedPartition,
  witnessLoss,
  restoredBackup,
]
