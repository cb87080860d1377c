/**
 * What is kept about keys and those who misuse them: security events with what was done about them, and the uses of keys.
 * Nothing of it is derived: it is evidence.
 */
export const detectionSchema: readonly string[] = [
  // `dedupe` is what the event is about: whatever is seen again is counted, not raised again.
  `CREATE TABLE security_events (
     number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
     subject TEXT NOT NULL, log TEXT, dedupe TEXT NOT NULL UNIQUE, proof TEXT NOT NULL, reported_by TEXT NOT NULL,
     state TEXT NOT NULL, action TEXT NOT NULL, reports INTEGER NOT NULL, last_ms INTEGER NOT NULL)`,
  // What was done about each event, in order. Nothing is updated here; rows go with their event, when its retention ends.
  `CREATE TABLE security_event_steps (
     event INTEGER NOT NULL, step INTEGER NOT NULL, time_ms INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL,
     note TEXT NOT NULL, PRIMARY KEY (event, step))`,
  `CREATE TABLE key_uses (
     minute INTEGER NOT NULL, kid TEXT NOT NULL, operation TEXT NOT NULL, use TEXT NOT NULL, count INTEGER NOT NULL,
     PRIMARY KEY (minute, kid, operation))`,
  // Which token each reported decision was about, for what is looked up by log.
  `CREATE TABLE decision_tokens (
     decision TEXT PRIMARY KEY, log TEXT NOT NULL, position INTEGER NOT NULL, time_ms INTEGER NOT NULL, head TEXT NOT NULL)`,
  `CREATE INDEX decision_tokens_by_log ON decision_tokens (log, time_ms)`,
]
