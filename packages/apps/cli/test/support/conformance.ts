import assert from 'node:assert/strict'
import { qip } from './qip.ts'

/** A request without its `id`, and what must come of it. */
export interface Case {
  readonly request: Readonly<Record<string, unknown>>
  readonly expected: 'valid' | 'invalid' | Readonly<Record<string, unknown>>
  readonly name: string
}

/** Runs cases through one `qip conformance` and checks each answer. Returns how many held and how many were refused. */
export async function runCases(cases: readonly Case[]): Promise<{ held: number; refused: number }> {
  const input = cases.map(({ request }, id) => `${JSON.stringify({ id, ...request })}\n`).join('')
  const { code, stdout, stderr } = await qip(['conformance'], { input })
  assert.equal(code, 0, stderr)
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: number; ok: boolean; code?: string })
  assert.equal(answers.length, cases.length)
  let held = 0
  for (const [id, { expected, name }] of cases.entries()) {
    const answer = answers[id]
    assert.ok(answer, name)
    assert.equal(answer.id, id, name)
    assert.notEqual(answer.code, 'QIP_CLI_DEFECT', name)
    if (answer.ok) held++
    if (typeof expected === 'string') {
      assert.equal(answer.ok, expected === 'valid', `${name}: ${answer.code ?? 'ok'}`)
      if (!answer.ok) assert.match(answer.code ?? '', /^QIP_[A-Z_0-9]+$/)
    } else {
      const { id: _, ...rest } = answer
      assert.deepEqual(rest, { ok: true, ...expected }, name)
    }
  }
  return { held, refused: cases.length - held }
}
