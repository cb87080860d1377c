import {
  type Decision,
  type Relay,
  type RelayOptions,
  type RequestHead,
  type Upstream,
  type UpstreamOptions,
  openRelay,
} from '../../src/index.ts'

/** A relay on a free port whose guard passes everything to one upstream, unless the test says otherwise. */
export interface TestRelay extends AsyncDisposable {
  readonly relay: Relay
  readonly upstream: Upstream
  readonly port: number
}

export interface TestRelayOptions extends Partial<Omit<RelayOptions, 'guard'>> {
  readonly decide?: (request: RequestHead, upstream: Upstream) => Decision | Promise<Decision>
  readonly upstream?: Omit<UpstreamOptions, 'url'>
}

export async function openTestRelay(url: string, options: TestRelayOptions = {}): Promise<TestRelay> {
  const { decide, upstream: upstreamOptions, ...rest } = options
  let upstream: Upstream | undefined
  const relay = await openRelay({
    name: 'test-gateway',
    listeners: [{}],
    ...rest,
    timeouts: { stopMs: 200, ...rest.timeouts },
    guard: (request) => {
      const target = upstream as Upstream
      return decide === undefined ? { action: 'pass', upstream: target } : decide(request, target)
    },
  })
  upstream = relay.openUpstream({ url, ...upstreamOptions })
  return {
    relay,
    upstream,
    port: relay.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: () => relay.close(),
  }
}
