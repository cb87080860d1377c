import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommanderError } from 'commander'
import { CliError } from './cli-errors.ts'
import { codedError, outcomeOf } from './lib/tell-error.ts'

test('every message is lower case and has no full stop', () => {
  const errors = [
    new CliError('QIP_CLI_USAGE', { reason: 'a word is missing' }),
    new CliError('QIP_CLI_FILE_UNREADABLE', { path: 'a', what: 'policy', reason: 'there is no such file' }),
    new CliError('QIP_CLI_CREDENTIAL_MISSING', { authority: 'unix:/a', isRefused: true }),
    new CliError('QIP_CLI_CHECK_FAILED', { what: 'it', count: 1 }),
    new CliError('QIP_CLI_TRUST_UNPINNED', { authority: 'http://127.0.0.1:1' }),
  ]
  for (const { message } of errors) assert.match(message, /^[a-z0-9`].*[^.]$/)
})

test('shows no more of a command or operation than to recognise it', () => {
  const name = 'x'.repeat(5_000)
  assert.ok(new CliError('QIP_CLI_COMMAND_UNKNOWN', { name, nearest: undefined }).message.length < 120)
  assert.ok(
    new CliError('QIP_CLI_OPERATION_UNKNOWN', { operation: name, nearest: undefined }).message.length < 120,
  )
})

for (const [error, outcome] of [
  [new CliError('QIP_CLI_USAGE', { reason: 'x' }), 'usage'],
  [new CliError('QIP_CLI_FILE_UNREADABLE', { path: 'a', what: 'b', reason: 'c' }), 'usage'],
  [new CliError('QIP_CLI_NOT_FOUND', { what: 'x' }), 'no'],
  [new CliError('QIP_CLI_UNREACHABLE', { what: 'x', reason: 'y' }), 'unreachable'],
  [new CliError('QIP_CLI_DEFECT', { reason: 'x' }), 'defect'],
  [codedError(new CommanderError(1, 'commander.unknownOption', "error: unknown option '--x'")), 'usage'],
  [codedError(new TypeError('oops')), 'defect'],
  [codedError('thrown'), 'defect'],
] as const) {
  test(`${error.code} ends as ${outcome}`, () => assert.equal(outcomeOf(error), outcome))
}
