import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createCredential } from '@quantum-ip/http'
import { openPostgresServer, postgresSkip } from '../../../../scripts/real-postgres.ts'
import { AuthorityInstance, serveInstance } from '../src/index.ts'
import { sqlCredentialStore } from '../src/operators.ts'
import { optionsFor, td } from './support.ts'

async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waits = 0; !(await isSo()); waits++) {
    assert.ok(waits < 600, `it never came about that ${what}`)
    await pause(50)
  }
}

test(
  'of several authorities on one PostgreSQL any takes an incident, all know it, and the next leader goes on with it',
  { skip: postgresSkip },
  async () => {
    await using opened = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'qip-incident-instances-'))
    opened.defer(() => rm(folder, { recursive: true }))
    const server = await openPostgresServer()
    opened.defer(() => server[Symbol.asyncDispose]())
    const open = async (name: string) => {
      const instance = await AuthorityInstance.open({
        name,
        authority: optionsFor({
          folder: join(folder, name),
          highWaterFolder: join(folder, `${name}-high-water`),
          custodyFolder: join(folder, 'keys'),
          postgres: { url: server.url, connectionsMax: 4 },
        }),
        listeners: [{ host: '127.0.0.1', port: 0 }],
        urlOf: (bound) => bound[0]?.url ?? '',
        serve: { services: [] },
      })
      const served = await serveInstance({ instance, listeners: [{ host: '127.0.0.1', port: 0 }] })
      let isOpen = true
      const close = async () => {
        if (!isOpen) return
        isOpen = false
        await served.close()
        await instance.close()
      }
      opened.defer(close)
      return { instance, served, close, url: served.bound[0]?.url ?? '' }
    }
    const [a, b] = [await open('a'), await open('b')]
    assert.deepEqual([a.instance.isLeading, b.instance.isLeading], [true, false])
    const { credential } = await createCredential({
      store: sqlCredentialStore(b.instance.store.sql),
      name: 'ann',
      role: 'operator',
    })
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    const post = async (target: string, body: object) => {
      const response = await fetch(b.url + target, { method: 'POST', headers, body: JSON.stringify(body) })
      assert.equal(response.status, 200, await response.clone().text())
      return (await response.json()) as { number: number; openedBy: string }
    }
    const { number, openedBy } = await post('/v1/incidents', {
      title: 'through the follower',
      severity: 'major',
    })
    assert.deepEqual([number, openedBy], [1, 'ann'])
    const knows = (part: typeof a, count: number) => part.served.declared().incidents.length === count
    await eventually('both know it', () => knows(a, 1) && knows(b, 1))

    const feed = await fetch(`${b.url}/v1/feed`, { headers: { authorization: headers.authorization } })
    let text = ''
    for await (const chunk of feed.body as unknown as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(chunk)
      if (text.includes('"eventOpen"')) break
    }
    assert.match(text, /event: sampling[\s\S]*"eventOpen":true/)

    await a.instance.leading?.watch.events.raise({
      kind: 'head_unlogged',
      severity: 'critical',
      subject: 'key',
      log: null,
      dedupe: 'key',
      proof: {},
      reportedBy: `${td}/edge`,
      action: 'none',
    })
    // The leader may be gone before it has opened the incident of the event; whoever leads next does, once.
    await a.close()
    await eventually('the other one leads', () => b.instance.isLeading)
    await eventually('the incident of the event is open', () => knows(b, 2))
    await pause(2_500)
    const { incidents } = b.instance.leading?.operations ?? assert.fail('it leads')
    const open2 = await incidents.list({ state: 'open', limit: 10 })
    assert.deepEqual(
      open2.map((each) => [each.number, each.openedBy]),
      [
        [2, 'authority'],
        [1, 'ann'],
      ],
    )
    await eventually('requests reach the new leader', async () => {
      const response = await fetch(`${b.url}/v1/incidents/2`, { headers })
      return response.status === 200
    })
    await post('/v1/incidents/1/close', { resolution: 'over' })
    await eventually('it is closed', () => knows(b, 1))
  },
)
