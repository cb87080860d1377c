/**
 * A number of the options, checked.
 *
 * @throws {TypeError} if it is below `min`, or no number.
 */
export function atLeast(min: number, value: number): number {
  if (!(value >= min)) throw new TypeError(`a number of the verifier's options is below ${min}`)
  return value
}
