/** A command line of a page, with its placeholders. */
export interface PageCommand {
  /** As it stands there, without `qip`. */
  readonly line: string
  /** What stands for something of the reader's: `<service>`. */
  readonly placeholders: readonly string[]
}

/** The `qip` command lines in the code blocks of a page, those inside of `$(…)` too. */
export function pageCommands(text: string): readonly PageCommand[] {
  const commands: PageCommand[] = []
  for (const [, block = ''] of text.matchAll(/^```[a-z]*\n(.*?)^```/gms)) {
    for (const [, line = ''] of block.matchAll(/(?:^|\$\()qip ([^)\n]*)/gm)) {
      const bare = line.replace(/\s+#.*$/, '').trim()
      commands.push({ line: bare, placeholders: [...bare.matchAll(/<[^>]+>/g)].map(([found]) => found) })
    }
  }
  return commands
}

/** The words of a command line, as a shell makes them of it: quotes hold words together. */
export function shellWords(line: string): readonly string[] {
  return [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/["']/g, ''))
}
