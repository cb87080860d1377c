import assert from 'node:assert/strict'
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyEvidence } from '@quantum-ip/attestation'
import { systemClock, trustDomainName } from '@quantum-ip/base'
import {
  attestationSource,
  mirroredAttestationSource,
  mirroredHeadSource,
  openLedger,
  openTransport,
  openTrustFollower,
  headSource,
} from '@quantum-ip/client'
import { formatEnvelope, parseEnvelope } from '@quantum-ip/crypto'
import { verifyTileLog } from '@quantum-ip/log'
import { parseMerkleToken } from '@quantum-ip/token'
import { type TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import {
  asFollower,
  between,
  mirrorOf,
  type Running,
  running,
  type RunningMirror,
  storeOf,
  type Tamper,
  until,
} from './mirror-support.ts'
import { attest, issue } from './support-beyond.ts'

/** An address where nobody listens. */
const nobody = 'http://127.0.0.1:9'

async function isCurrent(mirrored: RunningMirror, { authority }: Running): Promise<boolean> {
  const { mirror } = mirrored
  const attestations = mirror.logs.get(authority.registry.origin)?.held?.checkpoint.size ?? 0
  const tokens = mirror.logs.get(authority.issuer.log.origin)?.held?.checkpoint.size ?? 0
  const { size } = authority.store.highWater.mark(authority.issuer.log.origin) ?? { size: 0 }
  const isAttested = attestations === authority.registry.ledger.log.head().size
  return isAttested && tokens === size && mirror.trust.state?.seq === authority.publisher.current.seq
}

/** A verifier's follower that has an authority that is away, and mirrors. */
async function followBy(
  of: Running,
  mirrors: readonly { url: string; requester: RunningMirror['link']['requester'] }[],
) {
  const transport = openTransport({ url: nobody, attemptsMax: 1 })
  const store = storeOf(of)
  const failed: string[] = []
  const follower = await openTrustFollower({
    session: asFollower(transport),
    store,
    point: undefined,
    mirrors,
    timing: { pollMs: 50, reconnectMs: 60_000 },
    onEvent: (event) => {
      if (event.kind === 'mirror_failed') failed.push(event.error.code)
    },
  })
  return {
    store,
    follower,
    failed,
    transport,
    async [Symbol.asyncDispose]() {
      await follower.close()
      await transport.close()
    },
  }
}

/** Asks for the first attestation as a verifier does whose authority is away. */
function askAttestation(of: Running, trust: TrustStore, mirrors: readonly RunningMirror['link'][]) {
  const away = attestationSource(openTransport({ url: nobody, attemptsMax: 1 }))
  const origin = `${trustDomainName(of.authority.trustDomain)}/attestations/1`
  return mirroredAttestationSource(away, { mirrors, trust }).fetchAttestation({
    td: of.authority.trustDomain,
    origin,
    index: 1,
    build: undefined,
  })
}

describe('a mirror', () => {
  test('holds every log whole, every envelope and the signed trust, and serves them while the authority is gone', async () => {
    await using of = await running()
    await attest(of.authority, of.by)
    for (let at = 0; at < 5; at++) await issue(of.authority)
    const { token } = { token: (await issue(of.authority)).tokens[0] ?? '' }
    await using mirrored = await mirrorOf(of, `unix:${of.socket}`)
    await of.authority.publisher.publish()
    await until(() => isCurrent(mirrored, of))
    await of.stop()

    await using verifier = await followBy(of, [mirrored.link])
    assert.equal(verifier.follower.status().staleness, undefined)
    assert.equal(verifier.store.state?.seq, mirrored.mirror.trust.state?.seq)
    const { keyId, start, end } = parseMerkleToken(token)
    const origin = of.authority.issuer.log.origin
    assert.ok(verifier.store.headFor(origin, keyId, { start, end }))
    const answer = await askAttestation(of, verifier.store, [mirrored.link])
    const logKeys = verifier.store
      .logKeys(of.authority.registry.origin, 1)
      .map((record) => verifierKeyOf(record))
    await verifyEvidence({ evidence: answer?.evidence ?? '', logKeys, builders: [of.by.trusted] })
    for (const log of [origin, of.authority.registry.origin]) {
      const keys = [...verifier.store.keysOf('qip-log'), ...verifier.store.keysOf('qip-token')]
      const vkeys = keys.filter((record) => record.log === log).map((record) => verifierKeyOf(record))
      const ledger = openLedger(mirrored.link.requester, { origin: log, logKeys: vkeys })
      await verifyTileLog({ ...ledger.contents(), vkeys, origin: log })
    }
  })

  test('goes on handing out new states while members reach only the mirror, and says how old they are when it is over', async () => {
    await using of = await running()
    await using mirrored = await mirrorOf(of, `unix:${of.socket}`)
    await using verifier = await followBy(of, [mirrored.link])
    const before = verifier.store.state?.seq ?? 0
    await of.authority.revoke({
      kind: 'identity',
      value: `${of.authority.trustDomain}/ns/prod/sa/gone`,
      reason: 'test',
    })
    await until(() => verifier.store.epoch === 1)
    assert.ok((verifier.store.state?.seq ?? 0) > before)
    await of.stop()
    const { timeMs } = verifier.store.state ?? { timeMs: 0 }
    assert.equal(verifier.store.staleness(timeMs + 300_000, 300_000), undefined)
    assert.equal(verifier.store.staleness(timeMs + 300_001, 300_000), 'state_old')
  })

  test('serves what it held after a restart without the authority', async () => {
    await using of = await running()
    await attest(of.authority, of.by)
    const first = await mirrorOf(of, `unix:${of.socket}`)
    await until(() => isCurrent(first, of))
    await first.close()
    await of.stop()
    await using again = await mirrorOf(of, nobody)
    await using verifier = await followBy(of, [again.link])
    assert.equal(verifier.store.state?.seq, again.mirror.trust.state?.seq)
    assert.ok(await askAttestation(of, verifier.store, [again.link]))
  })

  test('asks readers for a token where it has a list of them, for attestations and history only', async () => {
    await using of = await running()
    await using mirrored = await mirrorOf(of, `unix:${of.socket}`)
    const { serveMirror } = await import('@quantum-ip/mirror')
    const served = await serveMirror({
      mirror: mirrored.mirror,
      listeners: [{ host: '127.0.0.1', port: 0 }],
      readers: ['reader-token-1'],
    })
    const url = served.bound[0]?.url ?? ''
    const status = async (target: string, token?: string) =>
      (
        await fetch(
          url + target,
          token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
        )
      ).status
    assert.deepEqual(
      await Promise.all([
        status('/v1/state'),
        status('/logs/attestations/1/checkpoint'),
        status('/v1/history'),
        status('/v1/history', 'reader-token-2'),
        status('/v1/history', 'reader-token-1'),
      ]),
      [200, 200, 401, 401, 200],
    )
    await served.close()
  })
})

describe('a mirror that is damaged', () => {
  const damages: readonly (readonly [title: string, damage: (folder: string) => Promise<void>])[] = [
    [
      'a tile was changed',
      (folder) => writeFile(join(folder, 'attestations/1/tile/0/000.p/2'), Buffer.alloc(64)),
    ],
    [
      'a bundle was cut',
      (folder) => writeFile(join(folder, 'attestations/1/tile/entries/000.p/2'), Buffer.alloc(3)),
    ],
    ['a tile is gone', (folder) => rm(join(folder, 'attestations/1/tile/0/000.p/2'))],
    ['a checkpoint was cut', (folder) => writeFile(join(folder, 'attestations/1/checkpoint'), 'acme')],
    ['an envelope was changed', (folder) => appendFile(join(folder, 'attestations/1/envelopes/1.json'), ' ')],
    ['the trust documents were changed', (folder) => appendFile(join(folder, 'trust.json'), ' ')],
  ]
  for (const [title, damage] of damages) {
    test(`notices that ${title}, and fetches it again`, async () => {
      await using of = await running()
      await attest(of.authority, of.by)
      const first = await mirrorOf(of, `unix:${of.socket}`)
      await until(() => isCurrent(first, of))
      await first.close()
      const folder = join(of.folder, 'mirror')
      await damage(folder)
      await using again = await mirrorOf(of, `unix:${of.socket}`)
      await until(() => isCurrent(again, of))
      const held = again.mirror.logs.get(of.authority.registry.origin)?.held
      assert.ok(held && (await again.mirror.attestations.find(held, 1)))
      assert.equal((await readFile(join(folder, 'attestations/1/tile/0/000.p/2'))).length, 64)
      await until(async () => (await readFile(join(folder, 'trust.json'), 'utf8')).endsWith('}'))
    })
  }
})

describe('a mirror whose source lies', () => {
  const lies: readonly (readonly [title: string, code: string, tamper: Tamper])[] = [
    [
      'a forged entry',
      'QIP_MIRROR_TILE_FORGED',
      forge('/logs/attestations/1/tile/entries/', (body) => body.fill(7, body.length - 4)),
    ],
    [
      'a forged tile',
      'QIP_MIRROR_TILE_FORGED',
      forge('/logs/attestations/1/tile/0/', (body) => body.fill(7, body.length - 4)),
    ],
    [
      'a forged checkpoint',
      'QIP_LOG_SIGNATURE_INVALID',
      forge('/logs/attestations/1/checkpoint', (body) =>
        Buffer.from(body.toString().replace('\n2\n', '\n3\n')),
      ),
    ],
    [
      'a checkpoint of another log',
      'QIP_LOG_ORIGIN_MISMATCH',
      forge('/logs/attestations/1/checkpoint', (body) =>
        Buffer.from(body.toString().replace('attestations/1\n', 'attestations/2\n')),
      ),
    ],
  ]
  for (const [title, code, tamper] of lies) {
    test(`takes nothing of ${title}, says so, and goes on when that is over`, async () => {
      await using of = await running()
      await attest(of.authority, of.by)
      await using lying = await between(`unix:${of.socket}`, tamper)
      await using mirrored = await mirrorOf(of, lying.url)
      const codes = () =>
        mirrored.events.flatMap((event) => (event.kind === 'log_failed' ? [event.error.code] : []))
      await until(() => codes().includes(code))
      assert.equal(mirrored.mirror.logs.get(of.authority.registry.origin)?.held, undefined)
      lying.tamper = () => undefined
      await until(() => mirrored.mirror.logs.get(of.authority.registry.origin)?.held !== undefined)
    })
  }

  test('refuses a fork, keeps both signed checkpoints, and goes on serving what it held', async () => {
    await using of = await running()
    await attest(of.authority, of.by)
    const { registry, keys } = of.authority
    const key = keys.list().find(({ record }) => record.log === registry.origin)
    const signer = await keys.signer(key?.record.key.kid ?? '')
    await using lying = await between(`unix:${of.socket}`, () => undefined)
    await using mirrored = await mirrorOf(of, lying.url)
    await until(() => isCurrent(mirrored, of))
    const forked = await of.by.forkedLog(registry.ledger.log, signer)
    lying.tamper = async (target, answer) => {
      const path = target.replace('/logs/attestations/1/', '')
      const part = path === target ? undefined : await forked(path)
      if (part !== undefined)
        Object.assign(answer, { status: 200, body: Buffer.from(part), type: 'text/plain' })
    }
    await until(() =>
      mirrored.events.some((event) => event.kind === 'log_failed' && event.error.code === 'QIP_MIRROR_FORK'),
    )
    const [report] = await mirrored.mirror.reports.list()
    assert.deepEqual([report?.origin, report?.proven], [registry.origin, true])
    assert.match(report?.offered ?? '', /^acme\.example\/attestations\/1\n5\n/)
    assert.equal(mirrored.mirror.logs.get(registry.origin)?.held?.checkpoint.size, 2)
  })
})

/** Forges what is behind paths that begin with `prefix`. */
function forge(prefix: string, change: (body: Buffer) => Buffer): Tamper {
  return (target, answer) => {
    if (target.startsWith(prefix)) answer.body = change(answer.body)
  }
}

/** Changes the JSON of an answer. */
function rewrite(prefix: string, change: (json: Record<string, unknown>) => void): Tamper {
  return forge(prefix, (body) => {
    const json = JSON.parse(body.toString()) as Record<string, unknown>
    change(json)
    return Buffer.from(JSON.stringify(json))
  })
}

function receiptOf(
  change: (receipt: Record<string, unknown>, file: Record<string, Record<string, unknown>>) => void,
): Tamper {
  return rewrite('/v1/attestations/', (json) => {
    const file = JSON.parse(json['evidence'] as string) as Record<string, Record<string, unknown>>
    change(file['receipt'] ?? {}, file)
    json['evidence'] = JSON.stringify(file)
  })
}

const hang: Tamper = (_target, _answer, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write('{')
  return true
}

const flood: Tamper = (_target, _answer, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(1_048_576, 0x20)
  const pour = (): void => {
    while (response.writable && response.write(chunk));
    if (response.writable) response.once('drain', pour)
  }
  pour()
  return true
}

describe('of a mirror that means ill', () => {
  const forgeries: readonly (readonly [title: string, tamper: Tamper])[] = [
    [
      'a wrong inclusion proof',
      receiptOf((receipt) => (receipt['proof'] = [Buffer.alloc(32).toString('base64')])),
    ],
    ['no proof', receiptOf((receipt) => (receipt['proof'] = []))],
    ['another index', receiptOf((receipt) => (receipt['index'] = 0))],
    ['another entry', receiptOf((receipt) => (receipt['entry'] = Buffer.alloc(106, 1).toString('base64')))],
    [
      'a checkpoint of its own',
      receiptOf(
        (receipt) => (receipt['checkpoint'] = (receipt['checkpoint'] as string).replace('\n2\n', '\n4\n')),
      ),
    ],
    [
      'another envelope',
      receiptOf((_receipt, file) => {
        const envelope = parseEnvelope(JSON.stringify(file['dsse']))
        file['dsse'] = JSON.parse(
          formatEnvelope({ ...envelope, signatures: envelope.signatures.slice(0, 1) }),
        ) as Record<string, unknown>
      }),
    ],
    ['no evidence file', rewrite('/v1/attestations/', (json) => (json['evidence'] = '{}'))],
    ['no JSON', forge('/v1/attestations/', () => Buffer.from('<html>'))],
    [
      '404, where there is one',
      (target, answer) => {
        if (!target.startsWith('/v1/attestations/')) return
        const body = Buffer.from(JSON.stringify({ code: 'QIP_AUTHORITY_NOT_FOUND', title: 'no' }))
        Object.assign(answer, { status: 404, type: 'application/problem+json', body })
      },
    ],
    ['an answer that never ends', hang],
    ['a huge answer', flood],
  ]
  test('no answer counts: an attestation is unavailable by it, never invalid, and the next mirror is asked', async (t) => {
    await using of = await running()
    await attest(of.authority, of.by)
    await using honest = await mirrorOf(of, `unix:${of.socket}`)
    await until(() => isCurrent(honest, of))
    await using verifier = await followBy(of, [honest.link])
    for (const [title, tamper] of forgeries) {
      await t.test(title, async () => {
        await using ill = await between(honest.url, tamper)
        await assert.rejects(askAttestation(of, verifier.store, [ill.link]), {
          code: 'QIP_CLIENT_AUTHORITY_UNAVAILABLE',
        })
        assert.ok(await askAttestation(of, verifier.store, [ill.link, honest.link]))
      })
    }
  })

  const states: readonly (readonly [title: string, tamper: Tamper])[] = [
    [
      'a state that was changed',
      rewrite(
        '/v1/state',
        (json) => (json['payload'] = `${(json['payload'] as string).slice(0, -8)}AAAAAAA=`),
      ),
    ],
    [
      'a history whose state was changed',
      rewrite(
        '/v1/history',
        (json) => (json['state'] = (json['state'] as string).replace('"sig":"', '"sig":"AAAA')),
      ),
    ],
    [
      'a history with a head of its own',
      rewrite('/v1/history', (json) => {
        const heads = json['heads'] as Record<string, unknown>[]
        json['heads'] = [...heads, { ...heads[0], hash: Buffer.alloc(32).toString('base64url') }]
      }),
    ],
    ['a bundle that was changed', forge('/v1/bundle', (body) => body.fill(0x41, 60, 64))],
    ['a root document of its own', forge('/v1/root', (body) => body.fill(0x41, 60, 64))],
    [
      'nothing but 503',
      (_target, answer) => void Object.assign(answer, { status: 503, body: Buffer.alloc(0) }),
    ],
    ['an answer that never ends', hang],
    ['a huge answer', flood],
  ]
  test('no trust document counts that does not verify, and the next mirror is asked', async (t) => {
    await using of = await running()
    await issue(of.authority)
    await using honest = await mirrorOf(of, `unix:${of.socket}`)
    await until(() => isCurrent(honest, of))
    const wanted = () => honest.mirror.trust.state?.seq ?? 0
    for (const [title, tamper] of states) {
      await t.test(title, async () => {
        await using ill = await between(honest.url, tamper)
        await using verifier = await followBy(of, [ill.link, honest.link])
        await until(() => verifier.store.state !== undefined)
        const seq = wanted()
        await until(() => (verifier.store.state?.seq ?? 0) >= seq)
        assert.equal(verifier.follower.status().staleness, undefined)
      })
    }
  })

  test('replayed states change nothing: not the trust that is held, and not its age', async () => {
    await using of = await running()
    await using honest = await mirrorOf(of, `unix:${of.socket}`)
    await until(() => isCurrent(honest, of))
    const kept = new Map<string, Buffer>()
    await using ill = await between(honest.url, (target, answer) => {
      const path = target.split('?')[0] ?? ''
      const before = kept.get(path)
      if (before === undefined) kept.set(path, answer.body)
      else answer.body = before
    })
    for (const path of ['root', 'bundle', 'state', 'history']) await fetch(`${ill.url}/v1/${path}`)
    const replayed = honest.mirror.trust.state?.seq ?? 0
    await of.authority.revoke({
      kind: 'identity',
      value: `${of.authority.trustDomain}/ns/prod/sa/gone`,
      reason: 'test',
    })
    await until(() => isCurrent(honest, of))
    // It has the newest trust, and then hears only of the old one.
    await using verifier = await followBy(of, [honest.link])
    await until(() => verifier.store.epoch === 1)
    const seq = verifier.store.state?.seq ?? 0
    await using replaying = await followBy(of, [ill.link])
    assert.equal(replaying.store.state?.seq, replayed)
    assert.equal(replaying.store.ageMs(systemClock.now() + 300_001) > 300_000, true)
    assert.equal(replaying.follower.status().epoch, 0)
    assert.ok(seq > replayed)
    // With the honest one behind it, what was replayed gives way.
    await using both = await followBy(of, [ill.link, honest.link])
    await until(() => both.store.epoch === 1)
  })

  test('a mirror passes no flood of questions about heads on, and says when to ask again', async () => {
    await using of = await running()
    const token = parseMerkleToken((await issue(of.authority)).tokens[0] ?? '')
    const held: (() => void)[] = []
    let isHeld = false
    await using slow = await between(`unix:${of.socket}`, async (target) => {
      if (isHeld && target.startsWith('/v1/heads/'))
        await new Promise<void>((resolve) => held.push(() => resolve()))
    })
    await using mirror = await mirrorOf(of, slow.url)
    const key = token.keyId.toString(16).padStart(8, '0')
    const ask = (start: number, end: number) => fetch(`${mirror.url}/v1/heads/${key}/${start}-${end}`)
    assert.equal((await ask(token.start, token.end)).status, 200)
    isHeld = true
    const waiting = Array.from({ length: 40 }, (_, nth) => ask(70_000 + (nth % 16), 80_000))
    await until(() => held.length === 16)
    const refused = await ask(70_016, 80_000)
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1'])
    assert.equal((await ask(token.start, token.end)).status, 200, 'what it holds it gives out')
    isHeld = false
    for (const go of held) go()
    assert.deepEqual(new Set((await Promise.all(waiting)).map(({ status }) => status)), new Set([503]))
  })

  test('a forged head is as good as none', async () => {
    await using of = await running()
    const token = parseMerkleToken((await issue(of.authority)).tokens[0] ?? '')
    const { keyId, start, end } = token
    const origin = of.authority.issuer.log.origin
    const tuple = { td: of.authority.trustDomain, origin, keyId, start, end }
    await using honest = await mirrorOf(of, `unix:${of.socket}`)
    await until(() => isCurrent(honest, of))
    const trust = honest.mirror.trust
    await using ill = await between(
      honest.url,
      rewrite('/v1/heads/', (json) => {
        json['staple'] = (json['staple'] as string).replace(/.{40}$/, 'A'.repeat(40))
      }),
    )
    const away = headSource(openTransport({ url: nobody, attemptsMax: 1 }))
    const by = (mirrors: readonly RunningMirror['link'][]) =>
      mirroredHeadSource(away, { mirrors, trust }).fetchHead(tuple)
    await assert.rejects(by([ill.link]), { code: 'QIP_CLIENT_AUTHORITY_UNAVAILABLE' })
    assert.ok(await by([ill.link, honest.link]))
  })
})
