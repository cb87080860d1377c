/** What operators declare: incidents, with what was done about each, and windows in which alerts are not wanted. */
export const operationsSchema: readonly string[] = [
  // `services` and `regions` are JSON lists; an empty list is all of them. `attended`: whether an operator has had to do with it.
  `CREATE TABLE incidents (
     number INTEGER PRIMARY KEY, opened_ms INTEGER NOT NULL, title TEXT NOT NULL, severity TEXT NOT NULL, services TEXT NOT NULL,
     regions TEXT NOT NULL, summary TEXT NOT NULL, root_cause TEXT, commander TEXT, opened_by TEXT NOT NULL, state TEXT NOT NULL,
     attended INTEGER NOT NULL, closed_ms INTEGER, closed_by TEXT, resolution TEXT)`,
  // The timeline. Nothing is updated here; rows go with their incident, when its retention ends.
  `CREATE TABLE incident_steps (
     incident INTEGER NOT NULL, step INTEGER NOT NULL, time_ms INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL,
     note TEXT NOT NULL, PRIMARY KEY (incident, step))`,
  // A security event belongs to one incident: whichever authority links it first.
  `CREATE TABLE incident_events (event INTEGER PRIMARY KEY, incident INTEGER NOT NULL)`,
  // `rotation`: whose window it is, once for each rotation.
  `CREATE TABLE declared_windows (
     number INTEGER PRIMARY KEY, kind TEXT NOT NULL, services TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
     reason TEXT NOT NULL, owner TEXT NOT NULL, opened_by TEXT NOT NULL, opened_ms INTEGER NOT NULL, closed_ms INTEGER,
     closed_by TEXT, rotation INTEGER UNIQUE)`,
]
