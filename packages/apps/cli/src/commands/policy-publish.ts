import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { readText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { readPolicyFile } from '../lib/policy-file.ts'
import { readRollout } from '../lib/policy-view.ts'

interface PublishOptions extends AuthorityOptions {
  readonly comment: string
  readonly activate?: boolean
}

/** `qip policy publish`: hands a policy to the authority, which signs it and rolls it out. */
export function publishCommand(run: Run): Command {
  const command = newAnswer(
    'publish',
    'sign a version of a policy and roll it out: the first one is in force at once, a later one decides in shadow',
  )
    .argument('<file>', 'the policy, as YAML')
    .option('--comment <text>', 'what it is for', '')
    .option('--activate', 'put it in force at once, as its text says, without a shadow before')
  return withAuthority(command).action((file: string, options: PublishOptions) => {
    return answer(run, options, async (output) => {
      // Refused here with line and column, before anybody is asked.
      await readPolicyFile(file)
      const text = await readText({ path: file, what: 'policy' })
      await using asked = await askAuthority(options)
      const { comment, activate = false } = options
      const json = (await requestJson(asked.requester, {
        operation: 'the policy',
        method: 'POST',
        target: '/v1/policies',
        json: { text, comment, activate },
      })) as JsonObject
      showPublished(output, json)
    })
  })
}

function showPublished(output: Output, json: JsonObject): void {
  const { policy, active, candidate, number } = readRollout(
    new AnswerReader(json, 'a rollout').object('rollout'),
  )
  output.show(json, () => {
    if (candidate === undefined) {
      output.line(
        tone('good', 'in force'),
        `${policy} version ${active.version}`,
        tone('dim', `rollout ${number}`),
      )
    } else {
      const beside = `in shadow beside version ${active.version}`
      output.line(tone('good', 'published'), `${policy} version ${candidate.version},`, beside)
    }
    output.line('  next:', `qip policy status ${policy} shows who holds it`)
  })
}
