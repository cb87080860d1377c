import { isIP } from 'node:net'
import { isQipError, type Json, parsePattern, parseServiceId, parseTrustDomain } from '@quantum-ip/base'
import { parseVkey } from '@quantum-ip/crypto'
import { type Path, type SchemaNode, schemasAt } from '../lib/schema-tree.ts'
import type { ConfigFault } from './fault.ts'
import type { FieldKind } from './fields.ts'
import { durationMs, listenOf, shareOf, sizeBytes } from './units.ts'

/** Texts that somebody expects to be replaced. Looked for before anything else, as they fit no form. */
export function checkInterpolation(value: Json, path: Path = []): readonly ConfigFault[] {
  if (typeof value === 'string') {
    const next = 'write the value itself; a secret goes into a file that is named here'
    return value.includes('${') ? [{ path, reason: '`${…}` is not replaced by anything', next }] : []
  }
  if (typeof value !== 'object' || value === null) return []
  const parts: Iterable<[string | number, Json]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value)
  return [...parts].flatMap(([part, child]) => checkInterpolation(child, [...path, part]))
}

type Finding = Omit<ConfigFault, 'path'> | undefined

/** What is wrong with the single values of a configuration that fits its schema. */
export function checkValues(schema: SchemaNode, value: Json): readonly ConfigFault[] {
  const faults: ConfigFault[] = []
  visit(schema, { value, path: [] }, faults)
  return faults
}

function visit(
  schema: SchemaNode,
  { value, path }: { value: Json; path: Path },
  faults: ConfigFault[],
): void {
  if (typeof value === 'string') {
    const finding = checkText(schema, value)
    if (finding !== undefined) faults.push({ path, ...finding })
    return
  }
  if (typeof value !== 'object' || value === null) return
  const parts = Array.isArray(value) ? value.entries() : Object.entries(value)
  for (const [part, child] of parts) {
    for (const found of schemasAt(schema, [part])) {
      if (fits(found, child)) visit(found, { value: child, path: [...path, part] }, faults)
    }
  }
}

// In a union the alternative of the value's own type.
function fits(schema: SchemaNode, value: Json): boolean {
  if (Array.isArray(value)) return 'items' in schema
  if (typeof value === 'object' && value !== null) return 'properties' in schema
  return !('items' in schema) && !('properties' in schema)
}

function checkText(schema: SchemaNode, text: string): Finding {
  const kind = schema['x-kind']
  return typeof kind === 'string' ? checks[kind as FieldKind](text, schema) : undefined
}

const checks: { readonly [Kind in FieldKind]: (text: string, schema: SchemaNode) => Finding } = {
  duration: (text, schema) => checkAmount(text, schema, durationMs),
  size: (text, schema) => checkAmount(text, schema, sizeBytes),
  share: (text) => (shareOf(text) > 1 ? { reason: 'more than 100%' } : undefined),
  path: checkPath,
  listen: checkListen,
  'trust-domain': (text) => refusal(() => parseTrustDomain(text)),
  service: (text) => refusal(() => parseServiceId(text)),
  'service-pattern': (text) => refusal(() => parsePattern(text)),
  pattern: (text) => refusal(() => parsePattern(text)),
  url: (text) => checkUrl(text),
  origin: (text) => checkUrl(text) ?? checkOrigin(text),
  vkey: (text) => refusal(() => parseVkey(text)),
}

function refusal(parse: () => unknown): Finding {
  try {
    parse()
    return undefined
  } catch (error) {
    if (!isQipError(error)) throw error
    return { reason: error.message, ...(error.next === undefined ? {} : { next: error.next }) }
  }
}

function checkAmount(text: string, schema: SchemaNode, read: (text: string) => number): Finding {
  const { 'x-min': min, 'x-max': max } = schema
  const amount = read(text)
  if (typeof min === 'string' && amount < read(min)) return { reason: `less than ${min}` }
  if (typeof max === 'string' && amount > read(max)) return { reason: `more than ${max}` }
  return undefined
}

function checkPath(text: string): Finding {
  if (text.includes('-----BEGIN') || /[\n\r]/.test(text)) {
    return {
      reason: 'a secret itself, where the path of a file is expected',
      next: 'write it into a file with mode 0600 and name that file here',
    }
  }
  if (text.includes('\0')) return { reason: 'a path has no NUL' }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return {
      reason: 'a URL, where the path of a file is expected',
      next: 'write the URL into a file with mode 0600 and name that file here',
    }
  return undefined
}

function checkListen(text: string): Finding {
  const { host, port } = listenOf(text)
  if (port > 65_535) return { reason: 'a port is at most 65535' }
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return { reason: 'not an IPv4 address' }
  if (text.startsWith('[') && isIP(host) !== 6) return { reason: 'not an IPv6 address' }
  return undefined
}

function checkUrl(text: string): Finding {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    return { reason: 'not a URL of http or https' }
  }
  if (url.username !== '' || url.password !== '') {
    return { reason: 'a URL with a user name or password', next: 'leave them out; secrets are files' }
  }
  return url.hash === '' ? undefined : { reason: 'a URL with a fragment' }
}

function checkOrigin(text: string): Finding {
  return URL.parse(text)?.origin === text.replace(/\/$/, '') ||
    // A default port is left out by the standard, but may be written.
    /^https?:\/\/[^/?#]+:\d+\/?$/.test(text)
    ? undefined
    : { reason: 'a URL with more than scheme, host and port', next: 'write it as `http://host:port`' }
}
