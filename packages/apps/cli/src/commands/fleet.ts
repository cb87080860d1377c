import { AnswerReader, type Requester } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { fetchFleet } from '../lib/fleet.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { formatSpan } from '../lib/times.ts'

/** `qip fleet`: who follows the trust state, and how far each one is. */
export function fleetCommand(run: Run): Command {
  const command = newAnswer('fleet', 'show the members that follow the trust state, and how far each one is')
  return withAuthority(command).action((options: AuthorityOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      await showFleet(output, asked.requester)
    })
  })
}

async function showFleet(output: Output, requester: Requester): Promise<void> {
  const { json, members } = await fetchFleet(requester)
  const seq = new AnswerReader(json, 'the fleet').integer('seq')
  const nowMs = Date.now()
  output.show(json, () => {
    output.line('state', tone('strong', String(seq)), tone('dim', `${members.length} members`))
    if (members.length === 0) {
      output.line('  nobody follows the trust state yet')
      output.line('  next:', 'qip join-token <service> --role verifier admits an enforcement point')
      return
    }
    output.table(
      ['point', 'region', 'service', 'state', 'behind', 'epoch', 'last heard'],
      members.map((member) => memberRow(member, { seq, nowMs })),
    )
  })
}

// States come every few seconds, more often while tokens are drawn; some behind is the way to the member and back.
const behindMax = 40

function memberRow(member: AnswerReader, { seq, nowMs }: { seq: number; nowMs: number }) {
  const behind = seq - (member.has('seq') ? member.integer('seq') : 0)
  const seenMs = ['seenMs', 'lastSeenMs'].find((name) => member.has(name))
  return [
    member.optionalText('point') ?? '',
    member.optionalText('region') ?? '',
    member.text('sid'),
    member.has('seq') ? String(member.integer('seq')) : 'none',
    tone(behind > behindMax ? 'bad' : behind > 0 ? 'dim' : 'good', String(behind)),
    member.has('epoch') ? String(member.integer('epoch')) : '',
    seenMs === undefined ? '' : `${formatSpan(nowMs - member.integer(seenMs))} ago`,
  ]
}
