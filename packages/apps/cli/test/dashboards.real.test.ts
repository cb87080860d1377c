import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { dashboards } from '../../../../scripts/deploy/dashboards/dashboards.ts'
import { needComponent } from '../../../../scripts/real-components.ts'
import { addTracestateHint } from '@quantum-ip/token'
import { Lab, names } from '../src/gameday/lab.ts'
import { openMonitoring } from './support/monitoring.ts'
import { becomes, openTraffic, openWatchedShop } from './support/watched-shop.ts'

const [prometheus, alertmanager] = await Promise.all([
  needComponent('prometheus'),
  needComponent('prometheus-alertmanager'),
])
const skip = prometheus.skip || alertmanager.skip

// What Grafana puts in place of its variables.
function substitute(expr: string): string {
  return expr.replaceAll('$__rate_interval', '5s').replaceAll(/\$(?:service|region)\b/g, '.*')
}

interface GrafanaTarget {
  readonly expr?: string
}

test(
  'every query of every panel has series in a Prometheus that saw requests and refusals',
  {
    skip,
    timeout: 300_000,
  },
  async (t) => {
    await using lab = await Lab.open()
    const shop = await openWatchedShop(lab)
    const watch = await openMonitoring(lab, { prometheus, alertmanager }, shop.targets)
    await using traffic = await openTraffic(lab, shop.authority, shop.gateway.url)
    // Beside them a stranger, and a caller whose tokens are stripped.
    const calls = [{}, { 'quantum-ip': 'qip1.x' }, { tracestate: addTracestateHint('', names.shop) }]
    const stranger = setInterval(() => {
      for (const headers of calls) {
        void request(`${shop.gateway.url}/shop/1`, { headers }).then(({ body }) => body.dump())
      }
    }, 100)
    lab.defer(() => clearInterval(stranger))
    await sleep(20_000)
    assert.ok(traffic.statuses().length > 0)

    const queries = dashboards.flatMap(({ uid, rows }) =>
      rows.flatMap(({ panels }) =>
        panels.flatMap(({ title, queries = [] }) =>
          queries.map((query) => ({ at: `${uid}: ${title}`, ...query })),
        ),
      ),
    )
    const empty: string[] = []
    for (const { at, expr, emptyBecause } of queries) {
      const holds = async (): Promise<boolean> => (await watch.query(substitute(expr))).length > 0
      if (emptyBecause !== undefined) {
        await watch.query(substitute(expr))
        t.diagnostic(`${at}: may be empty, ${emptyBecause}`)
      } else if (!(await holds()) && !(await becomes(holds, 20_000))) empty.push(`${at}: ${expr}`)
    }
    t.diagnostic(`${queries.length} queries`)
    assert.deepEqual(empty, [])
  },
)

test('the files of Grafana have these queries, and no others', () => {
  for (const { uid, rows } of dashboards) {
    const file = new URL(`../../../../deploy/grafana/dashboards/${uid}.json`, import.meta.url)
    const { panels } = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly panels: readonly { readonly targets?: readonly GrafanaTarget[] }[]
    }
    const written = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => expr ?? []))
    const meant = rows.flatMap((row) =>
      row.panels.flatMap(({ queries = [] }) => queries.map(({ expr }) => expr)),
    )
    assert.deepEqual(written, meant)
  }
})
