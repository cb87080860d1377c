/** What operators say of decisions, and the keys that parts of records are sealed under. */
export const adjudicationsSchema: readonly string[] = [
  // Nothing is updated here: who changes their mind adds a row, and the last one counts.
  `CREATE TABLE decision_adjudications (
     decision TEXT NOT NULL, number INTEGER NOT NULL, time_ms INTEGER NOT NULL, operator TEXT NOT NULL, verdict TEXT NOT NULL,
     note TEXT NOT NULL, PRIMARY KEY (decision, number))`,
  // Sealed to a custodian, who is not here.
  `CREATE TABLE decision_seal_keys (
     id TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, point TEXT NOT NULL, kid TEXT NOT NULL, sealed TEXT NOT NULL)`,
]
