/**
 * SQL for the sum of a column of integers, as a safe integer: what members report is not trusted to stay below, and one that lies may
 * spoil its own counts, but must not make every count fail.
 */
export function wholeSum(column: string): string {
  // Summed as floating point: SQLite refuses an integer sum beyond 64 bits.
  const sum = `SUM(CAST(${column} AS DOUBLE PRECISION))`
  const max = String(Number.MAX_SAFE_INTEGER)
  return `CASE WHEN ${sum} >= ${max} THEN ${max} ELSE CAST(${sum} AS BIGINT) END`
}
