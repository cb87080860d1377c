import { parseServiceId, hex, type JsonObject } from '@quantum-ip/base'
import { requestObject } from '@quantum-ip/client'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { readArtifact } from '../lib/artifact.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, parseWord, several } from '../lib/command.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import type { Output } from '../lib/output.ts'
import { formatMoment, parseSpan } from '../lib/times.ts'

interface JoinTokenOptions extends AuthorityOptions {
  readonly build?: readonly string[]
  readonly role: string
  readonly ttl: string
  readonly out?: string
}

/** `qip join-token`: admits one workload once. */
export function joinTokenCommand(run: Run): Command {
  const command = newAnswer(
    'join-token',
    'make a join token: one service ID and exact builds, good for one admission',
  )
    .argument('<service>', 'the service ID, spiffe://acme.example/ns/prod/sa/shop')
    .option(
      '--build <artifact>',
      'a build that it may run: a file or sha256:<digest>; several times for several',
      several,
    )
    .option('--role <role>', 'workload draws tokens, verifier follows the trust state', 'workload')
    .option('--ttl <duration>', 'until when it must be used', '10m')
    .option('-o, --out <file>', 'write it to a file that only you may read, instead of printing it')
  return withAuthority(command).action((service: string, options: JoinTokenOptions) => {
    return answer(run, options, (output) => makeToken(output, service, options))
  })
}

async function makeToken(output: Output, service: string, options: JoinTokenOptions): Promise<void> {
  const { build = [], role, ttl, out } = options
  if (role !== 'workload' && role !== 'verifier') {
    throw new CliError('QIP_CLI_USAGE', {
      reason: `there is no role \`${role.slice(0, 32)}\``,
      next: 'workload or verifier',
    })
  }
  const builds = await Promise.all(build.map(async (argument) => hex((await readArtifact(argument)).build)))
  const json: JsonObject = {
    sid: parseWord('the service', () => parseServiceId(service)),
    builds,
    role,
    ttl: Math.ceil(parseSpan(ttl) / 1_000),
  }
  await using asked = await askAuthority(options)
  const request = { operation: 'a join token', method: 'POST', target: '/v1/join-tokens', json } as const
  const made = await requestObject(asked.requester, request)
  const token = made.text('token')
  const expires = made.integer('expires')
  if (out !== undefined)
    await writeText({ path: out, what: 'join token', content: `${token}\n`, secret: true })
  output.show(
    { ...(out === undefined ? { token } : { file: out }), sid: service, role, builds, expires },
    () => {
      output.line(out ?? token)
      output.note(`for ${service} as ${role}, once, until ${formatMoment(expires * 1_000, Date.now())}`)
    },
  )
}
