/**
 * The folder of a log: its origin after the trust domain, `tokens/7` for `acme.example/tokens/7`. As the authority serves it below
 * `/logs/`.
 *
 * @throws {TypeError} for another kind of origin: it could lead anywhere in a file system
 */
export function logFolder(origin: string): string {
  const [, ...parts] = origin.split('/')
  const isName = parts.length > 0 && parts.every((part) => /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/.test(part))
  if (!isName) throw new TypeError('the origin of a log is `<trust domain>/<name>/<number>`')
  return parts.join('/')
}
