import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import type { Command } from 'commander'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import {
  fetchRotation,
  readRotation,
  rotationLines,
  type RotationView,
  standingText,
} from '../lib/rotation.ts'
import { formatSpan, formatTime, parseSpan } from '../lib/times.ts'

interface RotateOptions extends AuthorityOptions {
  readonly use: string
  readonly wait: string
}

interface RollbackOptions extends AuthorityOptions {
  readonly use: string
  readonly reason: string
}

interface HistoryOptions extends AuthorityOptions {
  readonly use?: string
}

const useOption = ['--use <use>', 'qip-token, qip-jwt, qip-feed or qip-log', 'qip-token'] as const

/** `qip keys rotate`: begins a rotation, and shows the fleet acknowledge it. */
export function rotateCommand(run: Run): Command {
  const command = newCommand(
    'rotate',
    'go over to the next key of a use, once the enrolled members have acknowledged it',
  )
    .option(...useOption)
    .option('--wait <duration>', 'how long to watch; the rotation goes on without', '10m')
    .option('--json', 'answer with JSON, one object a line: what members say, then the rotation')
  return withAuthority(command).action((options: RotateOptions) => {
    return answer(run, options, async (output) => {
      const waitMs = parseSpan(options.wait)
      await using asked = await askAuthority(options)
      const begun = readRotation(
        (await requestJson(asked.requester, {
          operation: 'rotation',
          method: 'POST',
          target: '/v1/keys/rotate',
          json: { use: options.use },
        })) as JsonObject,
      )
      return tellRotation(output, await watch(output, asked.requester, { begun, waitMs }))
    })
  })
}

/** `qip keys rollback`: takes the newest rotation of a use back. */
export function rollbackCommand(run: Run): Command {
  const command = newAnswer(
    'rollback',
    'take the newest rotation of a use back: withdraw the new key, or let the one before sign again',
  )
    .option(...useOption)
    .option('--reason <text>', 'why, for people', 'asked for')
  return withAuthority(command).action((options: RollbackOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const { use, reason } = options
      const request = { operation: 'the rollback', method: 'POST', target: '/v1/keys/rollback' } as const
      const view = readRotation(
        (await requestJson(asked.requester, { ...request, json: { use, reason } })) as JsonObject,
      )
      output.show(view.json, () => {
        const what =
          view.outcome === 'withdrawn'
            ? 'is withdrawn: the new key never signed'
            : 'is rolled back: the key before signs again'
        output.line(tone('good', 'ok'), `rotation ${view.number} of ${use}`, what)
        output.line('  next:', 'qip keys list shows the keys as they are')
      })
    })
  })
}

/** `qip keys rotations`: what became of rotations. */
export function rotationsCommand(run: Run): Command {
  const command = newAnswer('rotations', 'show the rotations of keys, and how each one ended').option(
    '--use <use>',
    'only of this use, such as qip-token',
  )
  return withAuthority(command).action((options: HistoryOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const query = options.use === undefined ? '' : `?use=${encodeURIComponent(options.use)}`
      const request = {
        operation: 'the rotations',
        method: 'GET',
        target: `/v1/rotations${query}`,
      } as const
      showRotations(output, (await requestJson(asked.requester, request)) as JsonObject)
    })
  })
}

const rotationsMax = 1_000

function showRotations(output: Output, whole: JsonObject): void {
  const rotations = new AnswerReader(whole, 'the rotations').objects('rotations', rotationsMax)
  output.show(whole, () => {
    if (rotations.length === 0) return output.line('no key was rotated yet')
    output.table(
      ['number', 'use', 'began', 'cause', 'asked by', 'state', ''],
      rotations.map((rotation) => [
        String(rotation.integer('number')),
        rotation.text('use'),
        formatTime(rotation.integer('startedMs')),
        rotation.text('cause'),
        rotation.text('askedBy'),
        rotation.optionalText('outcome') ?? rotation.text('phase'),
        tone('dim', rotation.optionalText('detail') ?? ''),
      ]),
    )
  })
}

const pollMs = 250

/** Shows what members say until the new key signs, the rotation has ended, or the time is over. */
async function watch(
  output: Output,
  requester: Requester,
  { begun, waitMs }: { readonly begun: RotationView; readonly waitMs: number },
): Promise<RotationView> {
  const untilMs = performance.now() + waitMs
  const told = new Map<string, string>()
  let view = begun
  try {
    for (;;) {
      tellMembers(output, view, told)
      if (view.phase !== 'waiting' || performance.now() >= untilMs) return view
      output.live(rotationLines(view, Date.now()))
      await sleep(pollMs)
      view = await fetchRotation(requester, view.number)
    }
  } finally {
    output.liveDone()
  }
}

/** Where lines cannot be drawn over, each change is one of its own. */
function tellMembers(output: Output, view: RotationView, told: Map<string, string>): void {
  if (view.phase !== 'waiting') return
  for (const member of view.members) {
    const { name, sid, kind, standing } = member
    const key = `${sid} ${name}`
    if (told.get(key) === standing) continue
    told.set(key, standing)
    const { number, acknowledged, needed } = view
    output.event({
      event: 'member',
      rotation: number,
      point: name,
      sid,
      kind,
      standing,
      acknowledged,
      needed,
    })
    if (!output.json && !output.isLive)
      output.line(name, standingText(member), `(${acknowledged} of ${needed})`)
  }
}

function tellRotation(output: Output, view: RotationView): Outcome {
  const { number, use, phase, outcome, detail } = view
  const isDone = phase === 'settling' || outcome === 'completed'
  output.show(view.json, () => {
    const what = `rotation ${number} of ${use}`
    if (isDone) {
      output.line(tone('good', 'ok'), what + ':', `the new key signs; ${detail}`)
      output.line('  while the key before still counts, `qip keys rollback` takes it back')
    } else if (outcome === undefined) tellWaiting(output, view)
    else {
      output.line(tone('bad', outcome), what + ':', detail)
      output.line('  next:', 'qip fleet shows the members; qip keys rotate tries again with another key')
    }
  })
  return isDone ? 'ok' : 'no'
}

function tellWaiting(output: Output, { number, use, ...view }: RotationView): void {
  const { members, acknowledged, needed, startedMs, isHeld, detail } = view
  const waited = formatSpan(Date.now() - startedMs)
  output.line(
    tone('warn', isHeld ? 'held' : 'waits'),
    `rotation ${number} of ${use}:`,
    `${acknowledged} of ${plural(members.length, 'member', 'members')} after ${waited}, needs ${needed}`,
  )
  output.line(' ', detail)
  output.line('  it goes on by itself; the key before signs meanwhile')
  output.line('  next:', `qip fleet shows who blocks; qip keys rollback --use ${use} takes it back`)
}
