import { createInterface } from 'node:readline'

/** What a server of the bench does with what it is asked. */
export interface LineAnswers {
  /** Printed when the server is ready. */
  readonly info: object
  /** Answers a message. */
  readonly answer?: (message: unknown) => unknown
  readonly close: () => unknown
}

/**
 * Prints the first line, then answers one line for each: `cpu` with the processor time used so far, anything else as a message in
 * JSON. Ends with the input.
 */
export function answerLines({ info, answer, close }: LineAnswers): void {
  print(info)
  const reply = async (line: string): Promise<void> => {
    if (line !== 'cpu') return print((await answer?.(JSON.parse(line))) ?? null)
    const { user, system } = process.cpuUsage()
    print({ cpuUs: user + system })
  }
  const end = async (): Promise<void> => {
    await close()
    process.exit(0)
  }
  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => void reply(line))
  input.on('close', () => void end())
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
