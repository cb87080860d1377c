import { requestObject } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { tone } from '../lib/output.ts'

interface CreateOptions extends AuthorityOptions {
  readonly use: string
}

/** `qip keys create`: makes a key ahead of its turn. */
export function createKeyCommand(run: Run): Command {
  const command = newAnswer(
    'create',
    'make a key ahead of its turn: it is in custody, and in no bundle until it is the next one',
  ).option('--use <use>', 'qip-token, qip-jwt, qip-feed or qip-log', 'qip-token')
  return withAuthority(command).action((options: CreateOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const key = await requestObject(asked.requester, {
        operation: 'a key',
        method: 'POST',
        target: '/v1/keys/plan',
        json: { use: options.use },
      })
      const [kid, use, state] = [key.text('kid'), key.text('use'), key.text('state')]
      output.show({ kid, use, state }, () => {
        output.line(tone('good', 'ok'), use, tone('strong', kid), tone('dim', state))
        output.line('  next:', `the one after next of \`qip keys rotate --use ${use}\``)
      })
    })
  })
}
