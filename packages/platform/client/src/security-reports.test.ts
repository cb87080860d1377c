import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import type { AuthorityRequest, Requester } from './request.ts'
import { openSecurityReports } from './security-reports.ts'

test('tells again what the authority shed, and nothing else, to a fake authority', async () => {
  const told: number[][] = []
  const done = Promise.withResolvers<void>()
  const requester: Requester = {
    request({ body }: AuthorityRequest) {
      const { reports } = JSON.parse(Buffer.from(body ?? []).toString()) as { reports: { index: number }[] }
      told.push(reports.map(({ index }) => index))
      const outcomes = reports.map(({ index }) => (told.length === 1 && index !== 1 ? 'shed' : 'proven'))
      if (told.length === 2) done.resolve()
      return Promise.resolve({
        status: 200,
        mediaType: 'application/json',
        body: utf8(JSON.stringify({ outcomes })),
      })
    },
    stream: () => Promise.reject(new TypeError('nobody streams reports')),
  }
  await using reports = openSecurityReports(requester, { point: 'edge-1' })
  for (const index of [1, 2, 3]) {
    reports.attestation({ log: 'acme.example/attestations/1', index, decisions: [], more: 0 })
  }
  await done.promise
  assert.deepEqual(told, [
    [1, 2, 3],
    [2, 3],
  ])
  await reports.close()
  assert.equal(reports.waiting, 0)
})
