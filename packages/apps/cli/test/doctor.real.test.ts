import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { needComponent } from '../../../../scripts/real-components.ts'
import type { LabAuthority } from '../src/gameday/lab-authority.ts'
import type { LabGateway } from '../src/gameday/lab-gateway.ts'
import { Lab } from '../src/gameday/lab.ts'
import { freePort, listens, runProcess, startProcess } from '../src/gameday/processes.ts'
import { openTcpRelay } from '../src/gameday/tcp-relay.ts'
import { type LabProxy, openHaproxy, openNginx } from '../src/gameday/proxies.ts'
import { run } from './support/run.ts'

const nginx = await needComponent('nginx')
const haproxy = await needComponent('haproxy')
const envoy = await needComponent('envoy')
const faketime = await needComponent('faketime')

interface Check {
  readonly name: string
  readonly outcome: string
  readonly hop?: string
  readonly seen: string
  readonly next?: string
  readonly runbook?: string
}

interface Examined {
  readonly code: number
  readonly checks: readonly Check[]
  /** The one of this name that is worst. */
  check(name: string, hop?: string): Check
}

const worst = ['fail', 'warn', 'open', 'ok']

async function examine(
  authority: LabAuthority,
  url: string,
  hops: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Promise<Examined> {
  const places = Object.entries(hops).flatMap(([name, at]) => ['--hop', `${name}=${at}`])
  const asked = [
    'doctor',
    `${url}/orders/42?x=1`,
    ...places,
    '--authority',
    `unix:${authority.socket}`,
    '--json',
  ]
  const ran = await run([...asked, '--timeout', '5s', ...more])
  const { checks = [] } = ran.json() as { checks?: readonly Check[] }
  assert.ok(checks.length > 0, ran.stdout + ran.stderr)
  return {
    code: ran.code,
    checks,
    check(name, hop) {
      const found = checks
        .filter((check) => check.name === name && (hop === undefined || check.hop === hop))
        .toSorted((a, b) => worst.indexOf(a.outcome) - worst.indexOf(b.outcome))
      assert.ok(found[0] !== undefined, `no ${name} in ${JSON.stringify(checks, undefined, 1)}`)
      return found[0]
    },
  }
}

function isSound(found: Examined): boolean {
  const names = ['token-arrives', 'hint-arrives', 'challenge-returns']
  return names.every((name) => found.check(name).outcome === 'ok')
}

function address(port: number | string) {
  return { socket_address: { address: '127.0.0.1', port_value: Number(port) } }
}

describe(
  'qip doctor, on a chain of nginx, HAProxy and a gateway',
  { skip: nginx.skip || haproxy.skip },
  () => {
    let lab: Lab
    let authority: LabAuthority
    let gateway: LabGateway
    let inner: LabProxy
    let outer: LabProxy
    let hops: Record<string, string>

    before(async () => {
      lab = await Lab.open()
      authority = await lab.startAuthority()
      gateway = await lab.startGateway(authority)
      inner = await openHaproxy(lab, gateway.url)
      outer = await openNginx(lab, inner.url)
      hops = { ingress: inner.url, gateway: gateway.url }
      // A gateway that has just started takes no one-time tokens for a moment, which the doctor warns of.
      while ((await gateway.status())['ready'] !== true) await sleep(50)
    })
    after(() => lab[Symbol.asyncDispose]())

    const examined = () => examine(authority, outer.url, hops)
    let nginxRules = ''
    const change = async (rules: { readonly nginx?: string; readonly haproxy?: string }) => {
      await inner.change(rules.haproxy ?? '')
      const wanted = rules.nginx ?? ''
      if (wanted === nginxRules) return
      nginxRules = wanted
      await outer.change(wanted)
      // Until the old workers of nginx have let go.
      for (let tries = 0; tries < 20 && isSound(await examined()) !== (wanted === ''); tries++);
    }

    test('finds nothing where nothing is wrong, and calls no service', async () => {
      const found = await examined()
      const bad = found.checks.filter(({ outcome }) => outcome === 'fail')
      assert.deepEqual([found.code, bad], [0, []])
      for (const name of [
        'gateway-answers',
        'token-arrives',
        'hint-arrives',
        'challenge-returns',
        'token-verifies',
      ])
        assert.equal(found.check(name).outcome, 'ok', name)
      assert.equal(found.check('ledger-readable').outcome, 'ok')
      assert.equal(found.check('trust-fresh').outcome, 'ok')
    })

    for (const { what, rules, name = 'token-arrives', hop, seen, next } of [
      {
        what: 'nginx strips the token',
        rules: { nginx: 'proxy_set_header Quantum-IP "";' },
        hop: 'service',
        seen: /did not arrive; at `service`: asked at `ingress`, it arrives/,
        next: /^nginx: remove `proxy_set_header Quantum-IP/,
      },
      {
        what: 'HAProxy strips the token',
        rules: { haproxy: 'http-request del-header quantum-ip' },
        hop: 'ingress',
        seen: /did not arrive; at `ingress`: asked at `gateway`, it arrives/,
        next: /HAProxy: remove `http-request del-header`/,
      },
      {
        what: 'nginx renames the token',
        rules: { nginx: 'proxy_set_header X-Old-IP $http_quantum_ip; proxy_set_header Quantum-IP "";' },
        hop: 'service',
        seen: /`Quantum-IP` arrived as `X-Old-IP`/i,
        next: /^nginx: pass it as it is/,
      },
      {
        what: 'HAProxy cuts the token',
        rules: { haproxy: String.raw`http-request replace-header quantum-ip '^(.{150}).*$' '\1'` },
        hop: 'ingress',
        seen: /arrived with 150 of \d+ characters; at `ingress`/,
        next: /HAProxy: remove `http-request replace-header`/,
      },
      {
        what: 'nginx takes off the challenge',
        rules: { nginx: 'proxy_hide_header WWW-Authenticate;' },
        name: 'challenge-returns',
        hop: 'service',
        seen: /does not come back/,
        next: /proxy_hide_header/,
      },
      {
        what: 'HAProxy drops tracestate',
        rules: { haproxy: 'http-request del-header tracestate' },
        name: 'hint-arrives',
        hop: 'ingress',
        seen: /stripped token looks like an absent one/,
        next: /tracestate/,
      },
    ] as const) {
      test(`${what}: names the hop, and what to change`, async () => {
        await change(rules)
        // The reloaded workers of nginx take over when the old ones have let go.
        let found = await examined()
        for (let tries = 0; tries < 20 && found.check(name).outcome === 'ok'; tries++)
          found = await examined()
        const check = found.check(name)
        assert.equal(check.hop, hop, JSON.stringify(found.checks, undefined, 1))
        assert.match(check.seen, seen)
        assert.match(check.next ?? '', next)
        assert.equal(check.runbook, 'docs/runbooks/header-loss.md')
        assert.equal(found.code, check.outcome === 'fail' ? 1 : 0)
        await change({})
      })
    }

    test('without --hop it says that it is somewhere on the way, and how to learn where', async () => {
      await change({ haproxy: 'http-request del-header quantum-ip' })
      const found = await examine(authority, outer.url)
      assert.match(found.check('token-arrives').seen, /somewhere between here and the gateway: .* --hop/)
      await change({})
    })

    test('a query that is dropped on the way is found: no gateway answers', async () => {
      await change({ haproxy: 'http-request set-uri %[path]' })
      const found = await examined()
      const check = found.check('gateway-answers')
      assert.deepEqual([check.outcome, check.hop, found.code], ['fail', 'ingress', 1])
      await change({})
    })

    test('tells a stranger little: without a credential there are no tickets, and it says so', async () => {
      const ran = await run(['doctor', outer.url, '--authority', authority.url, '--json'])
      const { checks } = ran.json() as { checks: readonly Check[] }
      assert.equal(ran.code, 1)
      const tickets = checks.find(({ name }) => name === 'tickets')
      assert.equal(tickets?.outcome, 'fail')
      assert.ok(!checks.some(({ name }) => name.endsWith('-arrives')))
    })

    test('prints rows, with what to do below those that are not good', async () => {
      await change({ haproxy: 'http-request del-header quantum-ip' })
      const args = [
        'doctor',
        inner.url,
        '--hop',
        `gateway=${gateway.url}`,
        '--authority',
        `unix:${authority.socket}`,
      ]
      const { code, stdout } = await run(args)
      assert.equal(code, 1)
      assert.match(
        stdout,
        /^fail token-arrives +service +a compact token, \d+ bytes: `Quantum-IP` did not arrive/m,
      )
      assert.match(stdout, /^ {5}next: .*HAProxy: remove/m)
      assert.match(stdout, /^ {5}runbook: docs\/runbooks\/header-loss\.md$/m)
      await change({})
    })
  },
)

test(
  'header buffers that are too small: the smallest size that does not pass is named, and whose they are',
  { skip: nginx.skip },
  async () => {
    await using lab = await Lab.open()
    const authority = await lab.startAuthority()
    const gateway = await lab.startGateway(authority)
    const proxy = await openNginx(lab, gateway.url, '', 'large_client_header_buffers 2 3k;')
    const found = await examine(authority, proxy.url, { gateway: gateway.url })
    assert.equal(found.check('token-arrives').outcome, 'ok')
    const check = found.check('fields-8k-arrives')
    assert.deepEqual([check.hop, check.outcome], ['service', 'warn'])
    assert.match(check.seen, /400 by `nginx/)
    assert.match(check.next ?? '', /^nginx: `large_client_header_buffers 4 32k;`/)
  },
)

test('Envoy takes the token off: it is named, with what to change', { skip: envoy.skip }, async () => {
  await using lab = await Lab.open()
  const authority = await lab.startAuthority()
  const gateway = await lab.startGateway(authority)
  const url = await openEnvoy(lab, gateway.url)
  const found = await examine(authority, url, { gateway: gateway.url })
  const check = found.check('token-arrives')
  assert.deepEqual([check.outcome, check.hop, found.code], ['fail', 'service', 1])
  assert.match(check.next ?? '', /^Envoy: take `quantum-ip` out of `request_headers_to_remove`$/)
})

/** Envoy with one route, which takes the token off. */
async function openEnvoy(lab: Lab, target: string): Promise<string> {
  const port = await freePort()
  const route = {
    match: { prefix: '/' },
    route: { cluster: 'gateway' },
    request_headers_to_remove: ['quantum-ip'],
  }
  const manager = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'in',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  }
  const cluster = {
    name: 'gateway',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: 'gateway',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(new URL(target).port) } }] }],
    },
  }
  const filters = [{ name: 'http', typed_config: manager }]
  const listeners = [{ address: address(port), filter_chains: [{ filters }] }]
  const file = join(await lab.subfolder('envoy'), 'envoy.json')
  await writeFile(file, JSON.stringify({ static_resources: { listeners, clusters: [cluster] } }))
  const running = await startProcess({
    command: envoy.command,
    args: ['-c', file, '--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id'],
    isReady: () => listens(port),
  })
  lab.defer(() => running.kill())
  return `http://127.0.0.1:${port}`
}

test('a gateway that is cut off from the authority: its stale trust is found', async () => {
  await using lab = await Lab.open()
  const authority = await lab.startAuthority()
  const relay = await openTcpRelay(lab, authority.port)
  const gateway = await lab.startGateway(authority, {
    authorityUrl: relay.url,
    config: { trust: { staleAfter: '10s' } },
  })
  const point = ['--point', `unix:${join(gateway.folder, 'snapshot', 'gateway.sock')}`]
  assert.equal((await examine(authority, gateway.url, {}, point)).code, 0)
  relay.cut()
  const deadline = Date.now() + 40_000
  while (Date.now() < deadline && (await gateway.status())['staleness'] === null) await sleep(200)
  const found = await examine(authority, gateway.url, {}, point)
  assert.equal(found.code, 1)
  const here = found.check('trust-fresh')
  assert.match(here.seen, /^its trust state is \w+, \d+ s/)
  assert.equal(here.runbook, 'docs/runbooks/stale-trust.md')
  // The authority, too, sees before long that it does not follow.
  let behind = found.check('fleet-current')
  for (let tries = 0; tries < 20 && behind.outcome === 'ok'; tries++)
    behind = (await examine(authority, gateway.url, {}, point)).check('fleet-current')
  assert.deepEqual([behind.outcome, behind.hop], ['fail', 'gateway'])
})

test('a gateway whose clock is ten minutes ahead is named', { skip: faketime.skip }, async () => {
  await using lab = await Lab.open()
  const authority = await lab.startAuthority()
  const file = join(lab.folder, 'clock')
  await writeFile(file, '+0')
  const preload = (await runProcess(faketime.command, ['-m', '-f', '+0', 'printenv', 'LD_PRELOAD'])).trim()
  const env = {
    LD_PRELOAD: preload,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
  const gateway = await lab.startGateway(authority, { env })
  await writeFile(file, '+10m')
  const found = await examine(authority, gateway.url)
  assert.equal(found.code, 1)
  const check = found.check('clock', 'service')
  assert.equal(check.outcome, 'fail')
  assert.match(check.seen, /(?:9 min \d+ s|10 min.*) ahead of this machine/)
  assert.equal(check.runbook, 'docs/runbooks/clock-skew.md')
  assert.equal(found.check('clock', 'authority').outcome, 'ok')
})

test('an authority that is not there: its absence is named, and the service is looked at all the same', async () => {
  await using lab = await Lab.open()
  const authority = await lab.startAuthority()
  const gateway = await lab.startGateway(authority)
  await authority.stop()
  const found = await examine(authority, gateway.url)
  assert.equal(found.code, 1)
  assert.equal(found.check('authority-answers').outcome, 'fail')
  assert.match(found.check('hop-answers').seen, /a gateway/)
})
