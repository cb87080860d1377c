import type { Command } from 'commander'
import { withAuthority, withTrust } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand, several } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { InspectOptions } from './token-inspect.ts'
import type { IssueOptions } from './token-issue.ts'
import type { VerifyTokenOptions } from './token-verify.ts'

/** `qip token issue|inspect|verify`. */
export function tokenCommand(run: Run): Command {
  return newCommand('token', 'issue, inspect and verify tokens')
    .addCommand(issueCommand(run))
    .addCommand(inspectCommand(run))
    .addCommand(verifyCommand(run))
}

function issueCommand(run: Run): Command {
  const command = newAnswer('issue', 'draw tokens as a workload')
    .requiredOption('--audience <service>', 'whom it is for; several times for several', several)
    .option('--session <file>', 'a session that was kept; with --join-token, where to keep the new one')
    .option('--join-token <token>', 'admit with it first: the token, a file that holds it, or - for stdin')
    .option('--as <service>', 'as an operator: admit that service first, with a join token made for it')
    .option(
      '--build <artifact>',
      'with --as: a build that it runs; else which of the session the token names',
      several,
    )
    .option('--count <n>', 'how many', '1')
    .option('--ttl <duration>', 'how long they hold (default: as the trust domain has it)')
    .option('--one-time', 'good for one request')
    .option('--form <form>', 'compact, standalone, jwt or reference', 'compact')
    .option('--jkt <thumbprint>', 'bind them to a key of the bearer')
    .option('--bind-key <file>', 'bind them to the key in this JWK, private or public')
    .option('--bind-certificate <file>', 'bind them to the client certificate in this PEM file')
    .option('--headers', 'print header fields, for `curl -H @-`')
    .option('--raw', 'print the token and nothing else')
  return withAuthority(command).action((options: IssueOptions) => {
    return answer(run, options, async (output) =>
      (await import('./token-issue.ts')).issueTokens(output, run, options),
    )
  })
}

function inspectCommand(run: Run): Command {
  return newAnswer('inspect', 'explain every field and every check of a token; nobody is asked')
    .argument('[token]', 'the token; without one, or with -, it is read from stdin')
    .option('--audience <service>', 'say whether it is for this service')
    .option('--show-secret', 'show the nonce, which is the bearer secret, too')
    .action((token: string | undefined, options: InspectOptions) => {
      return answer(run, options, async (output) => {
        return (await import('./token-inspect.ts')).inspectToken(output, { run, token, options })
      })
    })
}

function verifyCommand(run: Run): Command {
  const command = newAnswer('verify', 'verify a token against an authority, as an enforcement point does')
    .argument('[token]', 'the token; without one, or with -, it is read from stdin')
    .option('--audience <service>', "the service that is asked (default: the token's own)")
    .option('--head <value>', 'the Quantum-IP-Head value that came with it')
    .option('--deep', 'check the attestation behind it too')
  return withTrust(command).action((token: string | undefined, options: VerifyTokenOptions) => {
    return answer(run, options, async (output) => {
      return (await import('./token-verify.ts')).verifyToken(output, { run, token, options })
    })
  })
}
