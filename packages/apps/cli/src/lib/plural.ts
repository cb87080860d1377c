/** A count and what is counted: `1 entry`, `2 entries`. */
export function plural(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`
}
