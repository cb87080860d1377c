import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { readOtlpHeaders } from './otlp-headers.ts'

async function withFile<Result>(text: string, use: (path: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-headers-'))
  try {
    const path = join(folder, 'headers')
    await writeFile(path, text, { mode: 0o600 })
    return await use(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('reads a field from each line, without comments and empty lines', async () => {
  const text = '# for the Collector\nAuthorization: Bearer a.b=\r\n\nx-tenant:  acme \n'
  assert.deepEqual(await withFile(text, readOtlpHeaders), {
    authorization: 'Bearer a.b=',
    'x-tenant': 'acme',
  })
})

for (const text of [
  'Bearer secret-value',
  'na me: secret-value',
  'a: secret-value\u0001',
  'a: 1\n'.repeat(2) + ': secret-value',
]) {
  test(`refuses a line that is no field, without repeating it: ${JSON.stringify(text.slice(0, 6))}`, async () => {
    await assert.rejects(withFile(text, readOtlpHeaders), (error) => {
      assert.ok(isQipError(error, 'QIP_CLI_FILE_MALFORMED'))
      assert.ok(!error.message.includes('secret-value'))
      return true
    })
  })
}
