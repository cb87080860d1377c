// What the guide's Envoy knows of a decision for itself: dynamic metadata, read where operators read it, in an access log.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { send } from './support/case-reasons.ts'
import { CaseWorld } from './support/case-world.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { openGuideEnvoyWith } from './support/guide-proxies.ts'

const envoy = await needComponent('envoy')
const names = ['status', 'action', 'verdict', 'subject', 'build', 'decision', 'quarantine'] as const

const accessLog = (path: string): string => `access_log:
                  - name: envoy.access_loggers.file
                    typed_config:
                      '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                      path: ${path}
                      log_format:
                        json_format:
${names.map((name) => `                          ${name}: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:quantum-ip-${name})%'`).join('\n')}
                          code: '%RESPONSE_CODE%'
                          cluster: '%UPSTREAM_CLUSTER%'
`

test(
  'Envoy has status, subject, build and decision ID as dynamic metadata, and the reason of what it refuses',
  { skip: envoy.skip },
  async () => {
    await using world = await CaseWorld.open()
    await using endpoint = await openForwardCases(world)
    await using point = await openGuideEnvoyWith(envoy, world, endpoint.port, (folder) => ({
      'stat_prefix: in': `stat_prefix: in\n                ${accessLog(join(folder, 'access.json'))}`,
    }))
    const { domain } = world
    const bld = new Uint8Array(32).fill(7)
    const token = (await domain.issueOne({ bld, bev: 2 })).text
    await send(point, { token })
    await send(point, { token, path: '/jailed' })
    await send(point, {})
    const lines = await linesOf(join(point.folder, 'access.json'), 3)
    const [allowed, jailed, refused] = lines
    assert.match(allowed?.['status'] ?? '', /^status=verified, reason=ok, action=allow/)
    const { status: _status, decision, ...told } = allowed ?? {}
    assert.deepEqual(told, {
      action: 'allow',
      verdict: 'verified ok',
      subject: domain.web,
      build: '07'.repeat(32),
      quarantine: null,
      code: 200,
      cluster: 'shop',
    })
    assert.match(decision ?? '', /^case-/)
    assert.deepEqual(
      [jailed?.['action'], jailed?.['quarantine'], jailed?.['cluster']],
      ['quarantine', 'jail', 'shop_quarantine'],
    )
    assert.deepEqual([refused?.['code'], refused?.['verdict']], [401, 'missing token_absent'])
    assert.match(refused?.['decision'] ?? '', /^case-/)
  },
)

/** The access log, once it has so many lines: Envoy writes it ten seconds late at most. */
async function linesOf(path: string, count: number): Promise<readonly Record<string, string>[]> {
  for (let i = 0; i < 300; i++) {
    const lines = (await readFile(path, 'utf8').catch(() => '')).trim().split('\n')
    if (lines.length >= count) return lines.map((line) => JSON.parse(line) as Record<string, string>)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the access log is not written')
}
