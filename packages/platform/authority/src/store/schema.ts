/** Where the version stands: the one table that all versions have. */
export const metaSchema: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
]

/**
 * The tables of version 1 of the data format. They never change again, since there is data of that version: what comes
 * later is a migration, in `migrations.ts`.
 *
 * Ground state: keys, logs, revocations, sessions, attestations, decisions, operators. What can be derived is not
 * stored. Only SQL that every wire-compatible engine knows.
 */
export const schemaOfVersion1: readonly string[] = [
  // Public halves and states; private halves never leave custody.
  `CREATE TABLE IF NOT EXISTS keys (
     kid TEXT PRIMARY KEY, use TEXT NOT NULL, state TEXT NOT NULL, jwk TEXT NOT NULL,
     name TEXT, log TEXT, key_set TEXT, companion TEXT, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL)`,
  // One row per log: the compare-and-set of size and root is what keeps it one log.
  `CREATE TABLE IF NOT EXISTS log_heads (
     origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, state TEXT NOT NULL)`,
  // One row per committed batch of entries, so that a batch costs one write.
  `CREATE TABLE IF NOT EXISTS log_entries (
     origin TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, data BLOB NOT NULL,
     PRIMARY KEY (origin, first)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS log_tiles (
     origin TEXT NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
     PRIMARY KEY (origin, level, tile)) WITHOUT ROWID`,
  // Signed subtrees of token logs, in the order in which the head chain takes them.
  `CREATE TABLE IF NOT EXISTS heads (
     number INTEGER PRIMARY KEY, origin TEXT NOT NULL, start_index INTEGER NOT NULL, end_index INTEGER NOT NULL,
     hash BLOB NOT NULL, exp INTEGER NOT NULL, staple TEXT NOT NULL, UNIQUE (origin, start_index, end_index))`,
  // The signed root documents and bundles.
  `CREATE TABLE IF NOT EXISTS documents (
     kind TEXT NOT NULL, sequence INTEGER NOT NULL, envelope TEXT NOT NULL,
     PRIMARY KEY (kind, sequence)) WITHOUT ROWID`,
  // One state a minute, from which a verifier may start: \`head\` is the number of the last head that it covers.
  `CREATE TABLE IF NOT EXISTS base_states (
     seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, head INTEGER NOT NULL, epoch INTEGER NOT NULL,
     envelope TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS token_references (
     handle_hash BLOB PRIMARY KEY, token TEXT NOT NULL, expires_s INTEGER NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS token_references_by_expiry ON token_references (expires_s)`,
  `CREATE TABLE IF NOT EXISTS revocations (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS join_tokens (
     secret_hash BLOB PRIMARY KEY, sid TEXT NOT NULL, builds TEXT NOT NULL, role TEXT NOT NULL,
     expires_s INTEGER NOT NULL, used INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS sessions (
     id TEXT PRIMARY KEY, sid TEXT NOT NULL, role TEXT NOT NULL, session_key BLOB NOT NULL,
     detail TEXT NOT NULL, expires_s INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS attestations (
     log INTEGER NOT NULL, position INTEGER NOT NULL, build BLOB NOT NULL, envelope_hash BLOB NOT NULL,
     entry BLOB NOT NULL, envelope TEXT NOT NULL, facts TEXT NOT NULL, time_ms INTEGER NOT NULL,
     PRIMARY KEY (log, position)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS attestations_by_build ON attestations (build)`,
  `CREATE UNIQUE INDEX IF NOT EXISTS attestations_by_envelope ON attestations (envelope_hash)`,
  `CREATE TABLE IF NOT EXISTS identifiers (id TEXT PRIMARY KEY, sid TEXT NOT NULL, build TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS decisions (
     id TEXT PRIMARY KEY, time_ms INTEGER NOT NULL, reason TEXT NOT NULL, record TEXT NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS decisions_by_time ON decisions (time_ms)`,
  `CREATE TABLE IF NOT EXISTS operators (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, secret_hash BLOB NOT NULL, created_ms INTEGER NOT NULL,
     expires_ms INTEGER, revoked_ms INTEGER)`,
  // What operators did, in order. Nothing is updated or deleted here.
  `CREATE TABLE IF NOT EXISTS acts (
     number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, operator TEXT NOT NULL, act TEXT NOT NULL, detail TEXT NOT NULL)`,
]
