/** What the authority keeps so that years later it can be shown what was issued, to whom and on what evidence. */
export const recordsSchema: readonly string[] = [
  // What the logged hashes of some tokens in a row open to, sealed to the key custodian. One batch has one row, or a few.
  `CREATE TABLE issuance_records (
     origin TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, time_ms INTEGER NOT NULL, kid TEXT NOT NULL,
     sealed BLOB NOT NULL, PRIMARY KEY (origin, first))`,
  `CREATE INDEX issuance_records_by_time ON issuance_records (time_ms)`,
  // On what evidence each session was admitted, sealed to the same key.
  `CREATE TABLE admission_records (
     session TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, kid TEXT NOT NULL, sealed BLOB NOT NULL)`,
  `CREATE INDEX admission_records_by_time ON admission_records (time_ms)`,
  // Where each closed token log ended. This stays when its entries go.
  `CREATE TABLE log_ends (
     origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, frozen_ms INTEGER NOT NULL,
     pruned_ms INTEGER)`,
]
