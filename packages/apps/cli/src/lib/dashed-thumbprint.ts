// 43 characters of base64url, of which one in 64 begins with what an option begins with.
const form = /^-[A-Za-z0-9_-]{42}$/

/**
 * A command line with a key's thumbprint that begins with `-` where it is taken for what it is: behind `--`, at the end. What stands behind
 * an option is that option's, and stays.
 *
 * @example
 * dashedThumbprint(['keys', 'list']) // => ['keys', 'list']
 */
export function dashedThumbprint(args: readonly string[]): readonly string[] {
  const at = args.findIndex((word, i) => form.test(word) && args[i - 1]?.startsWith('--') !== true)
  if (at < 0 || args.includes('--')) return args
  return [...args.slice(0, at), ...args.slice(at + 1), '--', args[at] ?? '']
}
