import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson } from '@quantum-ip/client'
import { readYaml } from '@quantum-ip/http'
import { compileReadPolicy } from '@quantum-ip/policy'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newCommand } from '../lib/command.ts'
import { addException, type NewException } from '../lib/add-exception.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { fetchPolicy, fetchVersion, readRollout } from '../lib/policy-view.ts'
import { parseSpan } from '../lib/times.ts'

interface ExceptOptions extends AuthorityOptions {
  readonly service: string
  readonly owner: string
  readonly reason: string
  readonly until: string
  readonly name?: string
  readonly when?: string
  readonly action: string
}

/** `qip policy except`: breaks the glass for one caller, for a time. */
export function exceptCommand(run: Run): Command {
  const command = newCommand(
    'except',
    'break the glass: let one caller through for a time, with an owner and a reason; each use is recorded and counted',
  )
    .argument('<name>', 'the policy')
    .requiredOption('--service <id>', 'the service ID of the caller')
    .requiredOption('--owner <owner>', 'who answers for it')
    .requiredOption('--reason <text>', 'why')
    .requiredOption(
      '--until <time>',
      'when it ends: 4h from now, or 2026-12-01T18:00:00Z; at most 30 days ahead',
    )
    .option('--name <name>', 'what the exception is called (default: break-glass and the time)')
    .option('--when <condition>', 'a condition beside the caller, such as request.method == "GET"')
    .option('--action <action>', 'allow or quarantine', 'allow')
    .option('--json', 'answer with one JSON object')
  return withAuthority(command).action((name: string, options: ExceptOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const { requester } = asked
      const whole = new AnswerReader(await fetchPolicy(requester, name), 'a policy')
      const { active } = readRollout(whole.object('rollout'))
      const newest = whole.objects('versions', versionsMax)[0]?.integer('version') ?? active.version
      const exception = exceptionOf(options, Date.now())
      const { text: before } = await fetchVersion(requester, name, active.version)
      const text = addException(before, { version: newest + 1, exception })
      // Refused here with what is wrong, before anybody is asked.
      compileReadPolicy(readYaml(text, { source: name }), { nowMs: Date.now() })
      const json = (await requestJson(requester, {
        operation: 'the policy',
        method: 'POST',
        target: '/v1/policies',
        json: {
          text,
          comment: `exception ${exception.name}: ${options.reason}`.slice(0, 512),
          replace: true,
        },
      })) as JsonObject
      showException(output, { name, json, exception })
    })
  })
}

const versionsMax = 100

function exceptionOf(options: ExceptOptions, nowMs: number): NewException {
  const { service, owner, reason, until, when, action } = options
  const caller = `identity == ${JSON.stringify(service)}`
  return {
    name: options.name ?? `break-glass-${stamp(nowMs)}`,
    owner,
    reason,
    expires: untilOf(until, nowMs),
    when: when === undefined ? caller : `${caller} && (${when})`,
    action,
  }
}

function stamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replaceAll(/[:-]/g, '').toLowerCase()
}

function untilOf(until: string, nowMs: number): string {
  if (!/^\d+(?:ms|s|m|min|h|d)$/.test(until)) return until
  return `${new Date(nowMs + parseSpan(until)).toISOString().slice(0, 19)}Z`
}

interface Excepted {
  readonly name: string
  readonly json: JsonObject
  readonly exception: NewException
}

function showException(output: Output, { name, json, exception }: Excepted): void {
  const { active } = readRollout(new AnswerReader(json, 'a rollout').object('rollout'))
  output.show({ ...json, exception: { ...exception } }, () => {
    output.line(tone('warn', 'glass broken'), `${name} version ${active.version}:`, exception.name)
    output.facts([
      ['when', exception.when],
      ['action', exception.action],
      ['owner', exception.owner],
      ['until', exception.expires],
    ])
    output.line(
      '  next:',
      `put it into the policy's file, too: qip policy show ${name} prints it as it is now`,
    )
    output.line('  end:', `qip policy rollback ${name}`)
  })
}
