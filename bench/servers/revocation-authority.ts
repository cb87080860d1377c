// The authority of the revocation row: on a folder and a port that it is given, so that it can be killed and started again.
import { join } from 'node:path'
import { Authority, createJoinToken, serveAuthority } from '@quantum-ip/authority'
import { answerLines } from '../lib/answer-lines.ts'

/** What it is started with, as its one argument. */
export interface RevocationAuthorityStart {
  readonly folder: string
  /** 0: any. */
  readonly port: number
  /** Join tokens to make. */
  readonly members: number
}

/** What it prints when it is ready. */
export interface RevocationAuthorityInfo {
  readonly url: string
  readonly td: string
  readonly tokens: readonly string[]
  readonly pins: { readonly thumbprints: readonly string[]; readonly threshold: number }
  readonly epoch: number
}

const td = 'spiffe://acme.example'
const { folder, port, members } = JSON.parse(process.argv[2] ?? '') as RevocationAuthorityStart

const authority = await Authority.open({
  trustDomain: td,
  places: {
    folder: join(folder, 'data'),
    highWaterFolder: join(folder, 'high-water'),
    custodyFolder: join(folder, 'keys'),
  },
  rules: [],
  builders: [],
  requireAttestation: [],
})
const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port }] })
const { store, clock, random } = authority
const tokens: string[] = []
for (let nth = 0; nth < members; nth++) {
  const order = { sid: `${td}/ns/prod/sa/edge-${nth}`, builds: [], role: 'verifier', ttlS: 3_600 } as const
  tokens.push((await createJoinToken({ sql: store.sql, clock, random, td }, order)).token)
}

answerLines({
  info: {
    url: served.bound[0]?.url ?? '',
    td,
    tokens,
    pins: { thumbprints: authority.root.roots.map(({ kid }) => kid), threshold: authority.root.threshold },
    epoch: authority.revocations.epoch,
  } satisfies RevocationAuthorityInfo,
  /** Revokes one identity. Answers its epoch. */
  async answer() {
    const value = `${td}/ns/prod/sa/gone-${authority.revocations.epoch + 1}`
    const { record } = await authority.revoke({ kind: 'identity', value, reason: 'bench' })
    return { epoch: record.epoch }
  },
  async close() {
    await served.close()
    await authority.close()
  },
})
