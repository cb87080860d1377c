import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { burnWindows, type Counted, levelQuery, serviceLevels } from '@quantum-ip/telemetry'
import { needComponent, openComponent } from '../../../../scripts/real-components.ts'
import { freePort, listens } from '../src/gameday/processes.ts'
import { EnforcedNode, shop, stripped } from './support/enforced-node.ts'
import { run } from './support/run.ts'

const prometheus = await needComponent('prometheus')

interface Levels {
  readonly source: string
  readonly levels: readonly {
    readonly id: string
    readonly service: string | null
    readonly total: number
    readonly good: number | null
    readonly urgency: string | null
  }[]
}

const m1 = ({ levels }: Levels) => levels.find(({ id }) => id === 'M1')

test(
  'qip slo reads error budgets from a real Prometheus, without any recording rule',
  { skip: prometheus.skip, timeout: 120_000 },
  async (t) => {
    await using node = await EnforcedNode.open()
    const port = await freePort()
    const file = join(node.folder, 'prometheus.yml')
    await writeFile(
      file,
      `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: node\n    static_configs: [{ targets: ['${new URL(node.authority).host}'] }]\n`,
    )
    await using _running = await openComponent(
      prometheus,
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(node.folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { isReady: () => listens(port) },
    )
    const address = `http://127.0.0.1:${port}`
    const levels = async (): Promise<Levels> => {
      const answer = await run(['slo', '--prometheus', address, '--json'])
      assert.equal(answer.code, 0, answer.stderr)
      return answer.json() as unknown as Levels
    }
    // Series are there at zero first, then requests come: what a counter had before it was first read is no increase.
    for (let waits = 0; (await levels()).levels.every(({ service }) => service !== shop); waits++) {
      assert.ok(waits < 60, 'the enforced service is never seen')
      await sleep(500)
    }
    for (let nth = 0; nth < 20; nth++) await fetch(node.gateway, stripped)
    for (let waits = 0; !((m1(await levels())?.total ?? 0) > 0); waits++) {
      assert.ok(waits < 60, 'the requests are never seen')
      await sleep(500)
    }
    const found = await levels()
    assert.equal(found.source, `Prometheus at ${address}`)
    const { good, urgency, total } = m1(found) ?? {}
    assert.deepEqual([good, urgency], [0, 'page'])
    t.diagnostic(`20 requests are ${total} verifications by the increase of an hour`)
    assert.deepEqual(
      found.levels.filter(({ service }) => service !== null).map(({ service }) => service),
      [shop, shop, shop, shop],
    )
    const shown = await run(['slo', '--prometheus', address, '--service', shop])
    assert.match(shown.stdout, /M1 +verification success +99 % +0 % of \d+ .*used up, page/)
    for (const level of serviceLevels) {
      for (const counted of [level.counts.total, level.counts.bad, level.counts.good] as (
        | Counted
        | undefined
      )[]) {
        if (counted === undefined) continue
        for (const window of Object.keys(burnWindows) as (keyof typeof burnWindows)[]) {
          const query = new URLSearchParams({ query: levelQuery(level, counted, window) })
          const { status } = await fetch(`${address}/api/v1/query?${query.toString()}`)
          assert.equal(status, 200, query.get('query') ?? '')
        }
      }
    }
    const wrong = await run(['slo', '--prometheus', node.authority])
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.stderr, /Prometheus at .* cannot be reached/)
  },
)
