const keyForm = /^(\s*(?:- +)*)([A-Za-z_][\w.-]{0,63})\s*:(?:\s+(\S.*))?$/

/**
 * A line of a text for an error message: its key, and `…` in the place of its value.
 *
 * What stands where a value should may be a secret that somebody pasted there; and a line without a key may be
 * the middle of one. Nothing of either is shown.
 *
 * @example
 * excerptOf('store:\n  url: postgres://u:p@h', 2) // => 'url: …'
 */
export function excerptOf(text: string, line: number): string {
  const found = text.split('\n', line)[line - 1]
  const [, , key, value] = keyForm.exec(found?.trimEnd() ?? '') ?? []
  if (key === undefined) return ''
  return value === undefined ? `${key}:` : `${key}: …`
}
