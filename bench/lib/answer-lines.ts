import { createInterface } from 'node:readline'

/** What a server of the bench does with what it is asked. */
export interface LineAnswers {
  /** Printed when the server is ready. */
  readonly info: object
  /** Answers a message. */
  answer?(message: unknown): unknown
  close(): unknown
}

/**
 * Prints the first line, then answers one line for each: `cpu` with the processor time used so far, anything else as a message in
 * JSON. Ends with the input.
 */
export function answerLines({ info, answer, close }: LineAnswers): void {
  const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
  print(info)
  const input = createInterface({ input: process.stdin })
  input.on('line', async (line) => {
    if (line !== 'cpu') {
      print((await answer?.(JSON.parse(line))) ?? null)
      return
    }
    const { user, system } = process.cpuUsage()
    print({ cpuUs: user + system })
  })
  input.on('close', async () => {
    await close()
    process.exit(0)
  })
}
