import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { impliesRole, isAccess, isRole, roles } from './roles.ts'

describe('roles', () => {
  it('imply those before them and no other', () => {
    for (const [i, held] of roles.entries()) {
      for (const [j, needed] of roles.entries())
        assert.equal(impliesRole(held, needed), i >= j, `${held} ${needed}`)
    }
  })

  it('are a closed set', () => {
    for (const text of ['', 'root', 'Admin', 'open', 'toString']) assert.equal(isRole(text), false)
    for (const value of ['root', '', null, undefined, 1]) assert.equal(isAccess(value), false)
    for (const value of ['open', 'session', 'member', ...roles]) assert.equal(isAccess(value), true)
  })
})
