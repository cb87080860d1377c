import type { Command } from 'commander'
import { operations } from '../conformance/operations.ts'
import { runConformance } from '../conformance/run-conformance.ts'
import { newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'

/** `qip conformance`: anybody's vectors against this implementation. */
export function conformanceCommand(run: Run): Command {
  return newCommand('conformance', 'answer test vectors: JSON lines on stdin, one answer line each, in order')
    .option('--json', 'nothing changes: answers are JSON already')
    .addHelpText('after', operationHelp)
    .action(async () => {
      await runConformance(run.stdin, run.stdout)
    })
}

function operationHelp(): string {
  const rows = Object.entries(operations).map(([name, { usage }]) => `  ${name.padEnd(20)} ${usage}`)
  return `
Each line is {"id": …, "op": name, …fields}, each answer {"id": …, "ok": true, …} or {"id": …, "ok": false, "code": …}.
Byte strings are standard base64, documents JSON or its text. The exit code is 0 however many answers say no.

Operations, their fields and what they answer:
${rows.join('\n')}
`
}
