import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, requestObject, type Requester } from '@quantum-ip/client'
import { publicJwk } from '@quantum-ip/crypto'
import type { Command } from 'commander'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { readPublicKeyFile } from '../lib/key-files.ts'
import { keysPassphraseCommand } from './keys-passphrase.ts'
import { keysRootCommand } from './keys-root.ts'
import { rollbackCommand, rotateCommand, rotationsCommand } from './keys-rotate.ts'
import { createKeyCommand } from './keys-create.ts'
import { type Cell, type Output, type Tone, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { formatSpan } from '../lib/times.ts'

interface ListOptions extends AuthorityOptions {
  readonly use?: string
  readonly all?: boolean
}

interface RegisterOptions extends AuthorityOptions {
  readonly set?: string
}

/** `qip keys list|create|rotate|rollback|rotations|register`. */
export function keysCommand(run: Run): Command {
  const list = newAnswer('list', 'list the keys of the trust domain')
    .option('--use <use>', 'only keys of this use, such as qip-token')
    .option('--all', 'retired and compromised ones too')
  const register = newAnswer(
    'register',
    "make a builder's keys known; all keys of a set are needed for each attestation",
  )
    .argument('<builder>', "the builder's URI, as provenance names it")
    .argument('<files...>', 'public JWKs')
    .option('--set <name>', 'the set that they belong to, while a builder changes its keys')
  withAuthority(list).action((options: ListOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      await listKeys(output, asked.requester, options)
    })
  })
  withAuthority(register).action((builder: string, files: readonly string[], options: RegisterOptions) => {
    return answer(run, options, (output) => registerKeys(output, { builder, files }, options))
  })
  return newCommand(
    'keys',
    'list the keys of the trust domain, rotate them, take a rotation back, register builders',
  )
    .addCommand(list)
    .addCommand(createKeyCommand(run))
    .addCommand(rotateCommand(run))
    .addCommand(rollbackCommand(run))
    .addCommand(rotationsCommand(run))
    .addCommand(register)
    .addCommand(keysPassphraseCommand(run))
    .addCommand(keysRootCommand(run))
}

const keysMax = 10_000
const over = new Set(['retired', 'compromised'])

async function fetchKeys(requester: Requester): Promise<JsonObject> {
  const operation = 'the keys'
  return (await requestJson(requester, { operation, method: 'GET', target: '/v1/keys' })) as JsonObject
}

async function listKeys(
  output: Output,
  requester: Requester,
  { use, all = false }: ListOptions,
): Promise<void> {
  const whole = await fetchKeys(requester)
  const keys = new AnswerReader(whole, 'the keys').objects('keys', keysMax)
  const shown = keys.filter((key) => {
    return (use === undefined || key.text('use') === use) && (all || !over.has(key.text('state')))
  })
  output.show(whole, () => {
    output.table(
      ['use', 'state', 'algorithm', 'age', 'thumbprint', 'for'],
      shown.map((key) => keyRow(key, Date.now())),
    )
    const hidden = keys.length - shown.length
    if (hidden > 0) output.line(tone('dim', `${hidden} more with --all`))
  })
}

const tones: Readonly<Record<string, Tone>> = {
  active: 'good',
  published: 'accent',
  retiring: 'warn',
  compromised: 'bad',
}

function keyRow(key: AnswerReader, nowMs: number): readonly Cell[] {
  const state = key.text('state')
  return [
    key.text('use'),
    tone(tones[state] ?? 'dim', state),
    key.text('alg'),
    formatSpan(nowMs - key.integer('createdMs')),
    key.text('kid'),
    key.optionalText('log') ?? key.optionalText('name') ?? '',
  ]
}

async function registerKeys(
  output: Output,
  { builder, files }: { readonly builder: string; readonly files: readonly string[] },
  options: RegisterOptions,
): Promise<Outcome | void> {
  const keys = (await Promise.all(files.map((file) => readPublicKeyFile(file)))).flat()
  await using asked = await askAuthority(options)
  for (const key of keys) {
    await requestObject(asked.requester, {
      operation: 'a builder key',
      method: 'POST',
      target: '/v1/keys',
      json: {
        use: 'qip-build',
        name: builder,
        ...(options.set !== undefined && { set: options.set }),
        jwk: { ...publicJwk(key) },
      },
    })
  }
  const kids = keys.map(({ kid }) => kid)
  output.show({ builder, kids }, () => {
    output.line(tone('good', 'ok'), `${plural(keys.length, 'key', 'keys')} of`, tone('strong', builder))
    for (const { alg, kid } of keys) output.line(' ', alg, kid)
    if (keys.every(({ alg }) => alg === 'Ed25519')) {
      output.line(tone('warn', '  nothing counts yet:'), 'a builder needs a post-quantum key beside Ed25519')
    }
  })
}
