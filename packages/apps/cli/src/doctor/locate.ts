import type { ProbeResult } from './send-probe.ts'

/** Where on a way something goes wrong. */
export interface Location {
  /** The hop at which it does. */
  readonly hop: string
  /** In words. */
  readonly says: string
  /** What the proxy there says that it is, where that can be told. */
  readonly product: Product | undefined
}

/** Proxies whose directives the doctor knows. */
export type Product = 'nginx' | 'haproxy' | 'envoy'

/**
 * Finds the hop that is to blame, out of the results of one kind of probe, from the outside inwards: the innermost one up to which it
 * goes wrong. Asked further in, it goes well, so that it is not lost there.
 *
 * @returns `undefined` where it goes well from the outside
 */
export function locate(
  results: readonly ProbeResult[],
  isBad: (result: ProbeResult) => boolean,
): Location | undefined {
  const firstGood = results.findIndex((result) => !isBad(result))
  if (firstGood === 0 || results.length === 0) return undefined
  const at = (firstGood < 0 ? results.length : firstGood) - 1
  const culprit = results[at] as ProbeResult
  const next = results[at + 1]
  const { name } = culprit.hop
  return {
    hop: name,
    says: placeText(name, next?.hop.name, results.length),
    product: productOf(culprit, next),
  }
}

function placeText(name: string, next: string | undefined, count: number): string {
  if (next !== undefined) return `at \`${name}\`: asked at \`${next}\`, it arrives`
  return count === 1
    ? 'somewhere between here and the gateway: name the places on the way with --hop to learn which'
    : `at \`${name}\` or behind it`
}

// HAProxy leaves `Server` as it is: what is said by the next one too is not the culprit's.
function productOf({ server, via }: ProbeResult, next: ProbeResult | undefined): Product | undefined {
  const own = server === next?.server ? '' : server
  const text = `${own} ${via === next?.via ? '' : via}`.toLowerCase()
  if (/nginx|openresty/.test(text)) return 'nginx'
  if (text.includes('envoy')) return 'envoy'
  return text.includes('haproxy') ? 'haproxy' : undefined
}
