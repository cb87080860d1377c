import { hourColumns } from '../decisions/decision-hours.ts'

const columns = hourColumns.join(', ')
const values = hourColumns.map((name) => `COALESCE(${name}, -1)`).join(', ')

/** How many decisions of a kind there were in each hour: what is asked of millions, answered by hundreds of rows. */
export const decisionHoursSchema: readonly string[] = [
  `CREATE TABLE decision_hours (
     hour INTEGER NOT NULL, ${hourColumns.map((name) => `${name} INTEGER NOT NULL`).join(', ')},
     count INTEGER NOT NULL, weight INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
     PRIMARY KEY (hour, ${columns})) WITHOUT ROWID`,
  `INSERT INTO decision_hours (hour, ${columns}, count, weight, first_ms, last_ms)
     SELECT time_ms / 3600000, ${values}, COUNT(*), SUM(weight), MIN(time_ms), MAX(time_ms)
     FROM decision_index GROUP BY 1, ${hourColumns.map((_, at) => at + 2).join(', ')}`,
]
