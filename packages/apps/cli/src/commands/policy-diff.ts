import { AnswerReader, type Requester } from '@quantum-ip/client'
import { readYaml } from '@quantum-ip/http'
import { compileReadPolicy, diffPolicies, type PolicyChange, type PolicyDocument } from '@quantum-ip/policy'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type Tone, tone } from '../lib/output.ts'
import { readPolicyFile } from '../lib/policy-file.ts'
import { fetchPolicy, fetchVersion, readRollout } from '../lib/policy-view.ts'

/** A policy that is compared, and what it is called. */
interface Side {
  readonly name: string
  readonly document: PolicyDocument
}

/** `qip policy diff`: what differs between two policies, by what they mean. */
export function diffCommand(run: Run): Command {
  const command = newAnswer(
    'diff',
    'show what differs between two policies by what they mean: rules, mode, defaults; exit code 1 if anything does',
  )
    .argument('<before>', 'a file, or a policy of the authority: name, name@3, name@active or name@candidate')
    .argument('[after]', 'the same; by default the candidate of a policy of the authority')
  return withAuthority(command).action(
    (before: string, after: string | undefined, options: AuthorityOptions) => {
      return answer(run, options, async (output): Promise<Outcome> => {
        const words =
          after === undefined ? [before, `${before.split('@')[0] ?? ''}@candidate`] : [before, after]
        const sides = await Promise.all(words.map((word) => readSide(word, options)))
        return showDiff(output, sides as [Side, Side])
      })
    },
  )
}

const named = /^([a-z0-9][a-z0-9._-]{0,62})(?:@(\d{1,15}|active|candidate))?$/

async function readSide(word: string, options: AuthorityOptions): Promise<Side> {
  const [, name, which = 'active'] = named.exec(word) ?? []
  // A name has no ending; `policies@3` is none of a file.
  if (name === undefined || (/\.ya?ml$/.test(name) && !word.includes('@')))
    return { name: word, document: (await readPolicyFile(word)).document }
  await using asked = await askAuthority(options)
  const version = /^\d+$/.test(which) ? Number(which) : await versionOf(asked.requester, name, which)
  const { text } = await fetchVersion(asked.requester, name, version)
  const source = `${name} version ${version}`
  return { name: source, document: compileReadPolicy(readYaml(text, { source })).document }
}

async function versionOf(requester: Requester, name: string, which: string): Promise<number> {
  const { active, candidate } = readRollout(
    new AnswerReader(await fetchPolicy(requester, name), 'a policy').object('rollout'),
  )
  if (which === 'active') return active.version
  if (candidate === undefined)
    throw new CliError('QIP_CLI_NOT_FOUND', {
      what: `candidate of \`${name}\``,
      next: 'qip policy publish <file>',
    })
  return candidate.version
}

const tones: Readonly<Record<PolicyChange['kind'], Tone>> = {
  added: 'good',
  removed: 'bad',
  changed: 'warn',
  moved: 'accent',
}

function showDiff(output: Output, [before, after]: readonly [Side, Side]): Outcome {
  const changes = diffPolicies(before.document, after.document)
  output.show(
    { before: before.name, after: after.name, changes: changes.map((change) => ({ ...change })) },
    () => {
      output.line(tone('dim', `${before.name} → ${after.name}`))
      if (changes.length === 0) output.line('they mean the same')
      for (const { kind, what, before: was, after: is } of changes) {
        output.line(tone(tones[kind], kind.padEnd(7)), what)
        if (was !== undefined) output.line('    -', was)
        if (is !== undefined) output.line('    +', is)
      }
    },
  )
  return changes.length === 0 ? 'ok' : 'no'
}
