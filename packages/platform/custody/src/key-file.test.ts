import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { generatePrivateKey } from '@quantum-ip/crypto'
import { openKeyFile, sealKeyFile } from './index.ts'

const key = generatePrivateKey('ML-DSA-87')
const passphrase = utf8('a long enough passphrase')

test('a key that is taken offline opens with its passphrase alone', async () => {
  const text = await sealKeyFile({ key, purpose: 'root' }, passphrase)
  const opened = await openKeyFile(text, passphrase, 'a file')
  assert.deepEqual([opened.publicKey.kid, opened.purpose], [key.publicKey.kid, 'root'])
  await assert.rejects(openKeyFile(text, utf8('another passphrase'), 'a file'), {
    code: 'QIP_CUSTODY_PASSPHRASE_WRONG',
  })
})

test('any changed character of it is refused as damage', async () => {
  const text = await sealKeyFile({ key, purpose: 'root' }, passphrase)
  for (let at = 0; at < text.length; at++) {
    const changed =
      text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 + (at % 127))) + text.slice(at + 1)
    await assert.rejects(
      openKeyFile(changed, passphrase, 'a file'),
      { code: 'QIP_CUSTODY_FILE_DAMAGED' },
      `character ${at}`,
    )
  }
})

test('a file of one kind does not pass for another', async () => {
  await assert.rejects(openKeyFile('{"format":"qip-key-1"}\n', passphrase, 'a file'), {
    code: 'QIP_CUSTODY_FILE_DAMAGED',
  })
})
