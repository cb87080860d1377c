import type { Command } from 'commander'
import { newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'

export function explainCommand(_run: Run): Command {
  return newCommand('explain', '')
}
