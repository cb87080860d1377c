import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { base64url, hex, parseBase64url, parseHex, parseJson } from '@quantum-ip/base'
import { skipWithoutVectors, vectorsFolder } from '@quantum-ip/testing'

// Documents of other projects, up to megabytes: nobody wrote them with this parser in mind.
const folder = vectorsFolder()
const files = folder === undefined ? [] : globSync('{jose,wycheproof}/*.json{,.gz}', { cwd: folder }).sort()

test('there are documents of other projects to read', { skip: skipWithoutVectors() }, () => {
  assert.ok(files.length > 0)
})

for (const file of files) {
  test(`reads ${file} as JSON.parse does`, () => {
    const bytes = readFileSync(join(folder ?? '', file))
    const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    const value = parseJson(text)
    // Written again, to the letter: the same members in the same order.
    assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)))
  })

  test(`the hexadecimal and base64url texts in ${file} are read and spelled again`, () => {
    const bytes = readFileSync(join(folder ?? '', file))
    const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    let read = 0
    for (const [, word = ''] of text.matchAll(/"([A-Za-z0-9_-]{32,})"/g)) {
      if (/^(?:[0-9a-f]{2})+$/.test(word)) assert.equal(hex(parseHex(word)), word)
      // With a length that is a multiple of four no bits are left over, so that any such word is canonical.
      else if (word.length % 4 === 0) assert.equal(base64url(parseBase64url(word)), word)
      else continue
      read++
    }
    assert.ok(read > 0)
  })
}
