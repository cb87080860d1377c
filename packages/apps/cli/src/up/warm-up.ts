import type { HeldTokens } from '@quantum-ip/enforce'

const againMs = { first: 500, max: 15_000 }

/** Draws the tokens of named audiences, again and again until all are there. The result ends it. */
export function warmUp(tokens: HeldTokens, onEvent: (text: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const attempt = (waitMs: number): void => {
    tokens.prepare().catch((error: unknown) => {
      if (isOver) return
      onEvent(`sidecar: not warm yet: ${error instanceof Error ? error.message : 'unknown'}`)
      timer = setTimeout(() => attempt(Math.min(waitMs * 2, againMs.max)), waitMs)
      timer.unref()
    })
  }
  attempt(againMs.first)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}
