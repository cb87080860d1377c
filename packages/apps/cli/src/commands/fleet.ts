import { AnswerReader, type Requester } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { fetchFleet } from '../lib/fleet.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
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
    output.line(
      'state',
      tone('strong', String(seq)),
      tone('dim', plural(members.length, 'member', 'members')),
    )
    if (members.length === 0) {
      output.line('  nobody follows the trust state yet')
      output.line('  next:', 'qip join-token <service> --role verifier admits an enforcement point')
      return
    }
    output.table(
      ['point', 'region', 'service', 'state', 'epoch', 'last heard'],
      members.map((member) => memberRow(member, { seq, nowMs })),
    )
  })
}

// A state is due every 5 s, more often while tokens are drawn; what is further behind than two of them has lost the feed.
const lateMs = 12_000

function memberRow(
  member: AnswerReader,
  { seq, nowMs }: { readonly seq: number; readonly nowMs: number },
): readonly Cell[] {
  const seenMs = ['seenMs', 'lastSeenMs'].find((name) => member.has(name))
  return [
    member.optionalText('point') ?? '',
    member.optionalText('region') ?? '',
    member.text('sid'),
    behindText(member, seq),
    member.has('epoch') ? String(member.integer('epoch')) : '',
    seenMs === undefined ? '' : `${formatSpan(nowMs - member.integer(seenMs))} ago`,
  ]
}

/** Sequences of states are at least the milliseconds of their time, so their difference is how old a state was. */
function behindText(member: AnswerReader, seq: number): Cell {
  if (!member.has('seq')) return tone('bad', 'holds none')
  const behind = seq - member.integer('seq')
  if (behind <= 0) return tone('good', 'newest')
  return tone(behind > lateMs ? 'bad' : 'good', `${formatSpan(behind)} behind`)
}
