import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  build,
  builder,
  builderId,
  bytesOf,
  provenance,
  source,
  statementJson,
  timeMs,
} from '../test/shop.ts'
import { buildFacts } from './build-facts.ts'
import { splitRevision } from './lib/source.ts'
import { buildProvenance, parseProvenance, type Provenance } from './provenance.ts'
import { parseStatement, type ResourceDescriptor } from './statement.ts'

const parse = (payload: Uint8Array): Provenance => parseProvenance(parseStatement(payload))

interface PredicateJson {
  buildDefinition: Record<string, unknown>
  runDetails: Record<string, unknown>
}

/** The statement with its predicate altered. */
function altered(change: (predicate: PredicateJson) => void): Uint8Array {
  const json = statementJson()
  change(json['predicate'] as PredicateJson)
  return bytesOf(json)
}

test('provenance has the members of SLSA 1.2', () => {
  const uri = 'git+https://git.acme.example/shop/checkout@refs/tags/v1.2.3'
  assert.deepEqual(statementJson()['predicate'], {
    buildDefinition: {
      buildType: 'https://ci.acme.example/npm-package/v1',
      externalParameters: { source: uri },
      resolvedDependencies: [{ uri, digest: { gitCommit: source.commit } }],
    },
    runDetails: {
      builder: { id: builderId },
      metadata: {
        invocationId: 'run 42',
        startedOn: '2027-01-15T07:59:00.123Z',
        finishedOn: '2027-01-15T07:59:59.123Z',
      },
    },
  })
  assert.equal(statementJson()['predicateType'], 'https://slsa.dev/provenance/v1')
})

test('provenance reads back as it was built', () => {
  const parsed = parse(provenance())
  assert.equal(parsed.builderId, builderId)
  assert.deepEqual([parsed.startedOnMs, parsed.finishedOnMs], [timeMs - 60_000, timeMs - 1_000])
  assert.equal(parsed.invocationId, 'run 42')
})

test('only what is relied on has to be there', () => {
  const parsed = parse(
    altered(({ buildDefinition, runDetails }) => {
      delete buildDefinition['resolvedDependencies']
      delete runDetails['metadata']
      runDetails['byproducts'] = 7
      buildDefinition['internalParameters'] = []
    }),
  )
  assert.deepEqual(
    [parsed.resolvedDependencies, parsed.invocationId, parsed.startedOnMs],
    [[], undefined, undefined],
  )
})

const malformed: readonly (readonly [title: string, change: (predicate: PredicateJson) => void])[] = [
  ['no build type', ({ buildDefinition }) => delete buildDefinition['buildType']],
  ['an empty build type', ({ buildDefinition }) => (buildDefinition['buildType'] = '')],
  ['no parameters', ({ buildDefinition }) => delete buildDefinition['externalParameters']],
  ['parameters that are a list', ({ buildDefinition }) => (buildDefinition['externalParameters'] = [])],
  [
    'dependencies that are an object',
    ({ buildDefinition }) => (buildDefinition['resolvedDependencies'] = {}),
  ],
  [
    'a dependency with a bad digest',
    ({ buildDefinition }) => (buildDefinition['resolvedDependencies'] = [{ digest: { sha256: 'x' } }]),
  ],
  ['no builder', ({ runDetails }) => delete runDetails['builder']],
  ['a builder without ID', ({ runDetails }) => (runDetails['builder'] = {})],
  ['a start that is no timestamp', ({ runDetails }) => (runDetails['metadata'] = { startedOn: 'yesterday' })],
  [
    'a start without zone',
    ({ runDetails }) => (runDetails['metadata'] = { startedOn: '2027-01-15T07:59:00' }),
  ],
  [
    'a start in a month 13',
    ({ runDetails }) => (runDetails['metadata'] = { startedOn: '2027-13-15T07:59:00Z' }),
  ],
  ['a start that is a number', ({ runDetails }) => (runDetails['metadata'] = { startedOn: 1 })],
]
for (const [title, change] of malformed) {
  test(`refuses provenance with ${title}`, () => {
    assert.throws(() => parse(altered(change)), { code: 'QIP_ATTESTATION_STATEMENT_MALFORMED' })
  })
}

test('refuses another predicate than SLSA provenance v1', () => {
  const payload = bytesOf({ ...statementJson(), predicateType: 'https://slsa.dev/provenance/v0.2' })
  assert.throws(() => parse(payload), { code: 'QIP_ATTESTATION_STATEMENT_MALFORMED' })
})

test('does not build what it would not read', () => {
  const artifacts = [{ name: 'a', build: new Uint8Array(31) }]
  for (const change of [
    { artifacts },
    { artifacts: [] },
    { builderId: '' },
    { buildType: 'x'.repeat(2_049) },
  ]) {
    assert.throws(() => provenance(change), { code: 'QIP_ATTESTATION_STATEMENT_MALFORMED' })
  }
})

function facts(payload: Uint8Array, of = build) {
  const statement = parseStatement(payload)
  return buildFacts({ statement, provenance: parseProvenance(statement), builder: builder(), build: of })
}

test('the facts of a build are those of its provenance, its level that of its builder', () => {
  assert.deepEqual(facts(provenance()), {
    build,
    subject: 'shop-1.2.3.tgz',
    builder: builderId,
    buildType: 'https://ci.acme.example/npm-package/v1',
    source: {
      uri: 'git+https://git.acme.example/shop/checkout',
      ref: 'refs/tags/v1.2.3',
      digest: new Map([['gitCommit', source.commit]]),
    },
    slsaLevel: 3,
    invocationId: 'run 42',
    startedOnMs: timeMs - 60_000,
    finishedOnMs: timeMs - 1_000,
  })
})

test('what a statement says about its own level counts for nothing', () => {
  const boastful = altered((predicate) =>
    Object.assign(predicate, { slsaLevel: 4, verifiedLevels: ['SLSA_BUILD_LEVEL_4'] }),
  )
  assert.equal(facts(boastful).slsaLevel, 3)
})

test('a build that is no subject has no facts', () => {
  assert.throws(() => facts(provenance(), new Uint8Array(32)), { code: 'QIP_ATTESTATION_SUBJECT_MISMATCH' })
})

const git = (name: string): ResourceDescriptor => ({
  uri: `git+https://git.acme.example/${name}`,
  digest: new Map([['gitCommit', 'abc']]),
})
const npm: ResourceDescriptor = { uri: 'pkg:npm/left-pad@1.3.0', digest: new Map([['sha512', 'abc']]) }
const sources: readonly (readonly [
  title: string,
  dependencies: readonly ResourceDescriptor[],
  named: unknown,
  uri: string | undefined,
])[] = [
  ['is the one dependency of version control', [npm, git('shop')], undefined, 'shop'],
  ['is the one that the parameter names', [git('lib'), git('shop')], git('shop').uri, 'shop'],
  ['is none where several could be it', [git('lib'), git('shop')], undefined, undefined],
  ['is none where the parameter names another', [git('shop')], git('other').uri, undefined],
  ['is none without digest', [{ uri: git('shop').uri ?? '' }], undefined, undefined],
  ['is none where nothing is of version control', [npm], undefined, undefined],
  ['is none where the same is listed twice', [git('shop'), git('shop')], git('shop').uri, undefined],
  ['is the one dependency where the parameter is no text', [git('shop')], { uri: 'x' }, 'shop'],
]
for (const [title, dependencies, named, name] of sources) {
  test(`the source ${title}`, () => {
    const payload = buildProvenance({
      artifacts: [{ name: 'a', build }],
      builderId,
      buildType: 'b',
      dependencies,
      ...(named !== undefined && { externalParameters: { source: named as string } }),
    })
    assert.equal(facts(payload).source?.uri, name && `git+https://git.acme.example/${name}`)
  })
}

const revisions: readonly (readonly [uri: string, repository: string, ref: string | undefined])[] = [
  ['git+https://h/o/r@refs/heads/main', 'git+https://h/o/r', 'refs/heads/main'],
  ['git+https://h/o/r@refs/tags/pkg@1.0', 'git+https://h/o/r', 'refs/tags/pkg@1.0'],
  ['git+https://h/o/r@v1#sub/dir', 'git+https://h/o/r', 'v1'],
  ['git+https://h/o/r', 'git+https://h/o/r', undefined],
  ['git+ssh://git@h/o/r', 'git+ssh://git@h/o/r', undefined],
  ['git+ssh://git@h/o/r@v1', 'git+ssh://git@h/o/r', 'v1'],
  ['git+https://h/@scope/r', 'git+https://h/@scope/r', undefined],
  ['git+https://h/@scope/r@v1', 'git+https://h/@scope/r', 'v1'],
  ['git+https://git@h', 'git+https://git@h', undefined],
]
for (const [uri, repository, ref] of revisions) {
  test(`the repository of ${uri} is ${repository}`, () => {
    assert.deepEqual(splitRevision(uri), ref === undefined ? { repository } : { repository, ref })
  })
}
