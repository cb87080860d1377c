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
  const whole = new AnswerReader(json, 'the fleet')
  const [seq, bundleSequence] = [whole.integer('seq'), whole.integer('bundleSequence')]
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
      ['point', 'kind', 'region', 'service', 'state', 'keys', 'epoch', 'last heard', 'lease', ''],
      members.map((member) => memberRow(member, { seq, bundleSequence, nowMs })),
    )
    if (members.some((member) => blockedBy(member).length > 0)) {
      output.line(
        '  next:',
        'qip keys rotations shows what waits; a member that is gone leaves with its lease',
      )
    }
  })
}

// A state is due every 5 s, more often while tokens are drawn; what is further behind than two of them has lost the feed.
const lateMs = 12_000

interface FleetNow {
  readonly seq: number
  readonly bundleSequence: number
  readonly nowMs: number
}

function memberRow(member: AnswerReader, { seq, bundleSequence, nowMs }: FleetNow): readonly Cell[] {
  const holds = member.integer('bundleSequence') >= bundleSequence
  const blocks = blockedBy(member)
  return [
    member.text('point'),
    member.text('kind'),
    member.optionalText('region') ?? '',
    member.text('sid'),
    behindText(member, seq),
    holds ? tone('good', 'newest') : tone('warn', 'older'),
    String(member.integer('epoch')),
    `${formatSpan(nowMs - member.integer('seenMs'))} ago`,
    formatSpan(Math.max(0, member.integer('leaseMs') - nowMs)),
    blocks.length === 0 ? '' : tone('bad', `blocks rotation ${blocks.join(', ')}`),
  ]
}

const blocksMax = 16

function blockedBy(member: AnswerReader): readonly string[] {
  return member.list('blocks', blocksMax).map((number) => JSON.stringify(number))
}

/** Sequences of states are at least the milliseconds of their time, so their difference is how old a state was. */
function behindText(member: AnswerReader, seq: number): Cell {
  const behind = seq - member.integer('seq')
  if (behind <= 0) return tone('good', 'newest')
  return tone(behind > lateMs ? 'bad' : 'good', `${formatSpan(behind)} behind`)
}
