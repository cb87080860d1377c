import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { parseRedisUrls } from './redis-url.ts'

test('reads one URL, or one per line', () => {
  const [node] = parseRedisUrls('rediss://qip:p%40ss%3F@redis.acme.example:6380/3\n')
  assert.deepEqual(node, {
    host: 'redis.acme.example',
    port: 6380,
    tls: true,
    username: 'qip',
    password: 'p@ss?',
    database: 3,
  })
  const nodes = parseRedisUrls('# the cluster\nredis://[::1]\n\n redis://:secret@b:7000/ \n')
  assert.deepEqual(
    nodes.map(({ host, port, username, password }) => [host, port, username, password]),
    [
      ['::1', 6379, undefined, undefined],
      ['b', 7000, undefined, 'secret'],
    ],
  )
})

test('refuses what is no address, and never repeats it', () => {
  for (const text of [
    '',
    '# nothing',
    'Marker',
    'http://Marker@host',
    'redis://',
    'redis://a:Marker@host/x',
    'redis://a:Marker@host?db=1',
    'redis://a:Marker%zz@host',
    'redis://a:Marker@host:99999',
  ]) {
    assert.throws(
      () => parseRedisUrls(text),
      (error) => {
        assert.ok(isQipError(error, 'QIP_REPLAY_URL_INVALID'), text)
        assert.doesNotMatch(
          `${error.message} ${error.next} ${JSON.stringify(error.details)} ${error.stack}`,
          /Marker/,
        )
        return true
      },
    )
  }
})
