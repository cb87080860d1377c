/** Policies as the trust domain operates them: versions and rollouts are signed, and never change. */
export const policiesSchema: readonly string[] = [
  `CREATE TABLE policy_versions (
     name TEXT NOT NULL, version INTEGER NOT NULL, time_ms INTEGER NOT NULL, author TEXT NOT NULL, comment TEXT NOT NULL,
     sha256 TEXT NOT NULL, envelope TEXT NOT NULL, PRIMARY KEY (name, version))`,
  // What was in force from when on; each names the hash of the one before, and the newest one's stands in every state.
  `CREATE TABLE policy_rollouts (
     name TEXT NOT NULL, number INTEGER NOT NULL, time_ms INTEGER NOT NULL, sha256 TEXT NOT NULL, envelope TEXT NOT NULL,
     PRIMARY KEY (name, number))`,
  // From the order to the end; each step is a rollout. One runs at a time for a policy.
  `CREATE TABLE policy_promotions (
     number INTEGER PRIMARY KEY, name TEXT NOT NULL, phase TEXT NOT NULL, plan TEXT NOT NULL, step INTEGER NOT NULL,
     rollout INTEGER NOT NULL, before_rollout INTEGER NOT NULL, asked_by TEXT NOT NULL, started_ms INTEGER NOT NULL,
     step_ms INTEGER NOT NULL, ended_ms INTEGER, outcome TEXT, detail TEXT)`,
  `CREATE UNIQUE INDEX policy_promotions_running ON policy_promotions (name) WHERE phase = 'running'`,
  // What each member counted under a rollout since it took it: the last word of each, by the run of its process.
  `CREATE TABLE policy_reports (
     name TEXT NOT NULL, rollout INTEGER NOT NULL, member TEXT NOT NULL, run TEXT NOT NULL, time_ms INTEGER NOT NULL,
     report TEXT NOT NULL, PRIMARY KEY (name, rollout, member, run))`,
  `CREATE INDEX policy_reports_by_time ON policy_reports (time_ms)`,
  // Which policies a member holds.
  `ALTER TABLE members ADD COLUMN policies TEXT`,
]
