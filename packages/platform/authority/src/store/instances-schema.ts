/** What several instances of an authority share beside the ground state. */
export const instancesSchema: readonly string[] = [
  `ALTER TABLE keys ADD COLUMN instance TEXT NOT NULL DEFAULT ''`,
  // How often each shared matter was changed.
  `CREATE TABLE changes (name TEXT PRIMARY KEY, number INTEGER NOT NULL)`,
  // One row, 'leader'. Who leads counts its beats in it; whoever takes over raises the term. `writes` is touched by every
  // transaction of the leader: one of a leader that is none any more fails.
  `CREATE TABLE leadership (
     name TEXT PRIMARY KEY, term INTEGER NOT NULL, holder TEXT NOT NULL, instance TEXT NOT NULL, url TEXT NOT NULL,
     beat INTEGER NOT NULL, writes INTEGER NOT NULL)`,
  `CREATE TABLE instances (name TEXT PRIMARY KEY, beat INTEGER NOT NULL)`,
  // With the last head of a batch: the tree after it. Whoever leads next must list what was numbered and not listed yet, and for the logs
  // of others nothing else says how far they go.
  `ALTER TABLE heads ADD COLUMN tree_size INTEGER`,
  `ALTER TABLE heads ADD COLUMN tree_root BLOB`,
  // Signed heads of token logs that the leader has not numbered yet. The tree stands with the last head of a batch.
  `CREATE TABLE issued_heads (
     origin TEXT NOT NULL, start_index INTEGER NOT NULL, end_index INTEGER NOT NULL, hash BLOB NOT NULL, exp INTEGER NOT NULL,
     staple TEXT NOT NULL, tree_size INTEGER, tree_root BLOB, PRIMARY KEY (origin, start_index, end_index)) WITHOUT ROWID`,
  // How far states have shown the token logs of instances.
  `CREATE TABLE listed_logs (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL)`,
  // The last states as they were published, for those who pass them on. `bundle` where it was new with a state.
  `CREATE TABLE publications (
     seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, head INTEGER NOT NULL, state TEXT NOT NULL,
     bundle TEXT)`,
]
