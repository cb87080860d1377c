/** A request as it reaches what hands it to a function. */
export interface Sent {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Flat: name, value. */
  readonly fields: readonly string[]
  readonly body?: string | Buffer
}

type Kind = 'http' | 'rest' | 'alb' | 'alb-multi'

/** The event that API Gateway or a load balancer makes of it, by their documentation. */
export function eventOf(kind: Kind, { method, target, fields, body }: Sent): object {
  const [path = '/', query = ''] = target.split(/\?(.*)/s)
  const parameters = [...new URLSearchParams(query)]
  const isBinary = Buffer.isBuffer(body)
  const content = { body: isBinary ? body.toString('base64') : (body ?? ''), isBase64Encoded: isBinary }
  if (kind === 'http') {
    return {
      version: '2.0',
      routeKey: '$default',
      rawPath: path,
      rawQueryString: query,
      headers: joined(fields),
      requestContext: { http: { method, path, protocol: 'HTTP/1.1' }, stage: '$default', requestId: 'id' },
      ...content,
    }
  }
  const lower = kind !== 'rest'
  const single = Object.fromEntries(pairs(fields, lower))
  const several = grouped(pairs(fields, lower))
  const shared = { httpMethod: method, path, ...content }
  if (kind === 'rest') {
    return {
      resource: '/{proxy+}',
      ...shared,
      headers: single,
      multiValueHeaders: several,
      queryStringParameters: Object.fromEntries(parameters),
      multiValueQueryStringParameters: grouped(parameters),
      requestContext: { path, stage: 'prod', httpMethod: method, identity: { sourceIp: '192.0.2.1' } },
    }
  }
  const requestContext = {
    elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/shop/1' },
  }
  // A load balancer leaves parameters as they were written.
  const raw = query === '' ? [] : query.split('&').map((pair) => pair.split(/=(.*)/s) as [string, string])
  return kind === 'alb'
    ? { requestContext, ...shared, headers: single, queryStringParameters: Object.fromEntries(raw) }
    : { requestContext, ...shared, multiValueHeaders: several, multiValueQueryStringParameters: grouped(raw) }
}

function pairs(fields: readonly string[], lower: boolean): [string, string][] {
  const found: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    found.push([lower ? name.toLowerCase() : name, fields[i + 1] as string])
  }
  return found
}

function joined(fields: readonly string[]): Record<string, string> {
  const all = Object.entries(grouped(pairs(fields, true)))
  return Object.fromEntries(all.map(([name, values]) => [name, values.join(',')]))
}

function grouped(pairs: readonly (readonly [string, string])[]): Record<string, string[]> {
  const groups: Record<string, string[]> = {}
  for (const [name, value] of pairs) (groups[name] ??= []).push(value)
  return groups
}
