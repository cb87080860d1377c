import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { compilePolicy, parsePolicy, policyApiVersion } from './index.ts'
import * as whole from './index.ts'
import * as deciding from './deciding.ts'

/** Whether a process that imports this module asks for a CEL library. */
function loadsCel(entry: string): string {
  const code = `
    import { registerHooks } from 'node:module'
    const foreign = []
    registerHooks({ resolve(name, context, next) {
      if (name.startsWith('@bufbuild/')) foreign.push(name)
      return next(name, context)
    } })
    await import(${JSON.stringify(new URL(entry, import.meta.url).href)})
    console.log(foreign.length > 0)`
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' }).trim()
}

describe('what decides without CEL', () => {
  it('is the same code as what the whole package names', () => {
    for (const [name, value] of Object.entries(deciding)) {
      assert.equal((whole as Readonly<Record<string, unknown>>)[name], value, name)
    }
  })

  it('has a built-in policy that is what its text compiles to', () => {
    const text = {
      apiVersion: policyApiVersion,
      kind: 'Policy',
      metadata: { name: 'builtin', version: 1, description: 'Applies to routes without a policy.' },
      spec: {
        mode: 'enforce',
        default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
      },
    }
    assert.deepEqual(deciding.builtinPolicy, compilePolicy(parsePolicy(text)))
  })

  it('loads nothing of a CEL library', () => {
    assert.equal(loadsCel('./deciding.ts'), 'false')
    assert.equal(loadsCel('./index.ts'), 'true', 'the hook sees it where it is loaded')
  })
})
