import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { askFront, type DefaultFront, defaultFronts, openLongEcho } from './support/default-fronts.ts'
import { tokenForms } from './support/token-forms.ts'

const page = fileURLToPath(new URL('../../../../docs/guides/header-limits.md', import.meta.url))
const forms = await tokenForms()

/** What else a request carries, as the page heads its tables. */
const companies = {
  'By itself': [],
  'Beside a cookie of 7,500 characters': [['cookie', `session=${'c'.repeat(7_492)}`]],
} as const

type Company = keyof typeof companies

const others = [
  ['user-agent', 'checkout/2.4 (node)'],
  ['accept', 'application/json'],
  ['accept-encoding', 'gzip, br'],
  ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
] as const

async function becomesOf(
  token: string,
  {
    front,
    port,
    company,
  }: { readonly front: DefaultFront; readonly port: number; readonly company: Company },
): Promise<string> {
  const fields = [...others, ...companies[company], ['quantum-ip', token] as const]
  const { answer, arrived } = await askFront({ port, http2: front.http2 }, fields)
  if (answer !== '200') return answer
  assert.equal(arrived, token.length, `${named(front)} cuts a token`)
  return 'passes'
}

const named = (front: DefaultFront): string => `${front.name}, HTTP/${front.http2 ? 2 : '1.1'}`
const cellsOf = (line: string): readonly string[] =>
  line
    .split('|')
    .map((cell) => cell.trim())
    .slice(1, -1)

/** The table below a heading of the page: its columns, and the cells of each form by column. */
function tableOf(company: Company): {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
} {
  const [, section = ''] = readFileSync(page, 'utf8').split(`## ${company}\n`)
  const [own = ''] = section.split('\n## ')
  const [head = '', , ...rows] = own.split('\n').filter((line) => line.startsWith('|'))
  return { columns: cellsOf(head), rows: rows.map(cellsOf) }
}

for (const company of Object.keys(companies) as Company[]) {
  test(`the page names every form of token and every server, and how long each token is: ${company}`, () => {
    const { columns, rows } = tableOf(company)
    assert.deepEqual(columns, ['', 'characters', ...defaultFronts.map(named)])
    assert.deepEqual(
      rows.map((row) => row.slice(0, 2)),
      forms.map(({ name, text }) => [name, text.length.toLocaleString('en')]),
    )
  })
}

for (const front of defaultFronts) {
  test(
    `${named(front)} passes compact tokens with its default limits; which others it passes is what the page says`,
    { skip: front.skip },
    async () => {
      await using stack = new AsyncDisposableStack()
      const echo = stack.use(await openLongEcho())
      const { port } = stack.use(await front.open(echo.port))
      for (const company of Object.keys(companies) as Company[]) {
        const { columns, rows } = tableOf(company)
        const column: string[] = []
        for (const { name, text, compact } of forms) {
          const becomes = await becomesOf(text, { front, port, company })
          if (compact) assert.equal(becomes, 'passes', `${name}, ${company}`)
          column.push(becomes)
        }
        const at = columns.indexOf(named(front))
        assert.deepEqual(
          rows.map((row) => row[at]),
          column,
          `docs/guides/header-limits.md: ${company}`,
        )
      }
    },
  )
}
