/**
 * What the exit code of `qip` means. One table for all commands; the reference page and `qip --help` show it.
 */
export const exitCodes = {
  ok: { code: 0, meaning: 'done; the answer is yes' },
  no: { code: 1, meaning: 'the answer is no: refused, invalid or not found' },
  usage: { code: 2, meaning: 'the command line or a file it names is wrong; nothing was done' },
  unreachable: {
    code: 3,
    meaning: 'the authority, or another service that has to be asked, cannot be reached',
  },
  defect: { code: 70, meaning: 'a defect of this program' },
} as const

/** How a command ended. */
export type Outcome = keyof typeof exitCodes
