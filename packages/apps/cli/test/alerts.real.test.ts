import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { needComponent } from '../../../../scripts/real-components.ts'
import { Lab, names } from '../src/gameday/lab.ts'
import { openNginx } from '../src/gameday/proxies.ts'
import { fasterBy, type Notice, openMonitoring } from './support/monitoring.ts'
import { becomes, openTraffic, openWatchedShop } from './support/watched-shop.ts'

const [prometheus, alertmanager, nginx] = await Promise.all([
  needComponent('prometheus'),
  needComponent('prometheus-alertmanager'),
  needComponent('nginx'),
])
const skip = prometheus.skip || alertmanager.skip || nginx.skip

// A runbook is where the link leads, in this repository.
function runbookExists(url: string): boolean {
  const file = /\/(docs\/runbooks\/[\w-]+\.md)$/.exec(url)?.[1] ?? 'none'
  return existsSync(new URL(`../../../../${file}`, import.meta.url))
}

// A machine that is busy with other tests may be slow in earnest; what is said about that is not looked at.
const busy = new Set(['QuantumIpLatencyHigh', 'QuantumIpShedding'])
const isBusy = ({ groupLabels }: Notice): boolean => groupLabels['root_cause'] === 'overload'

const pages = (notices: readonly Notice[]): readonly Notice[] =>
  notices.filter((notice) => notice.kind === 'page' && !isBusy(notice))

test(
  `a proxy that strips tokens of several services pages once, with a runbook that is there, and in a declared window nobody (the shipped rules, ${fasterBy} times faster)`,
  {
    skip,
    timeout: 400_000,
  },
  async (t) => {
    await using lab = await Lab.open()
    const shop = await openWatchedShop(lab)
    const proxy = await openNginx(lab, shop.gateway.url)
    const watch = await openMonitoring(lab, { prometheus, alertmanager }, shop.targets)
    await using traffic = await openTraffic(lab, shop.authority, proxy.url)
    const strip = (): Promise<void> => proxy.change('proxy_set_header Quantum-IP "";')
    const isStripped = async (): Promise<boolean> =>
      (await watch.query('sum(rate(quantum_ip_verifications_total{reason="token_stripped"}[5s])) > 5'))
        .length > 0

    assert.ok(
      await becomes(
        async () => (await watch.query('quantum_ip:verification_error_ratio:rate5m')).length === 2,
      ),
      'the levels of two enforced services are recorded, and none of the one that is observed',
    )
    // All waits of the rules are over by then but that of an hour.
    await sleep(35_000)
    const early = (await watch.firing()).filter((name) => !busy.has(name))
    assert.deepEqual([early, watch.notices.filter((notice) => !isBusy(notice))], [[], []], 'all is well')
    assert.ok(traffic.statuses().includes(200))

    const began = performance.now()
    await strip()
    assert.ok(await becomes(() => pages(watch.notices).length > 0), 'a page arrives')
    t.diagnostic(`the page arrived ${Math.round(performance.now() - began)} ms after the fault`)
    // Time for a second one, if there was one.
    await sleep(15_000)
    const told = pages(watch.notices)
    assert.deepEqual(
      [...new Set(told.map(({ groupKey, status }) => `${status} ${groupKey}`))],
      ['firing {}/{severity="page"}:{root_cause="header_stripping"}'],
      'one page, for one root cause',
    )
    const alerts = told.flatMap((notice) => notice.alerts)
    t.diagnostic(
      `${[...new Set(alerts.map(({ labels }) => labels['alertname']))].join(', ')} in ${told.length} notices`,
    )
    assert.ok(
      alerts.some(({ labels }) => labels['service'] === names.shop && labels['owner'] === 'team-shop'),
    )
    for (const { annotations } of watch.notices
      .filter((notice) => !isBusy(notice))
      .flatMap((notice) => notice.alerts)) {
      const url = annotations['runbook_url'] ?? ''
      assert.ok(runbookExists(url), url)
      assert.ok(url.endsWith('/docs/runbooks/header-loss.md'))
    }
    assert.deepEqual([...new Set(told.map(({ credential }) => credential))], ['Bearer pager-secret'])
    const firing = await watch.firing()
    assert.ok(
      [
        'QuantumIpStrippedTokens',
        'QuantumIpVerificationBudgetFastBurn',
        'QuantumIpRejectionsAcrossServices',
      ].every((name) => firing.includes(name)),
      `several alerts fire, for both services: ${firing.join(', ')}`,
    )
    // The lesser service is a ticket of its own owner; the one that is observed is nobody's.
    const owners = new Set(
      watch.notices.flatMap((notice) => notice.alerts.map(({ labels }) => labels['owner'])),
    )
    assert.ok(!owners.has('team-new'))

    await proxy.change('')
    assert.ok(
      await becomes(() => pages(watch.notices).some(({ status }) => status === 'resolved')),
      'the page is resolved when the proxy is right again',
    )
    assert.ok(await becomes(async () => !(await watch.firing()).includes('QuantumIpStrippedTokens')))

    // The same failure, in a window.
    await lab.qip([
      'window',
      'open',
      '--reason',
      'the proxies are replaced',
      '--for',
      '1h',
      '--authority',
      `unix:${shop.authority.socket}`,
    ])
    assert.ok(await becomes(async () => (await watch.query('quantum_ip:maintenance:all == 1')).length > 0))
    const before = watch.notices.length
    await strip()
    assert.ok(await becomes(isStripped), 'requests fail again')
    await sleep(20_000)
    const statuses = new Set(traffic.statuses())
    assert.ok(statuses.has(401))
    const later = watch.notices
      .slice(before)
      .filter((notice) => notice.status === 'firing' && !isBusy(notice))
    assert.deepEqual(later, [], 'nobody is told')
  },
)
