import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { parseAddress } from './address.ts'

test('reads the addresses of authorities', () => {
  assert.deepEqual(parseAddress('https://authority.example:8443'), {
    text: 'https://authority.example:8443',
    origin: 'https://authority.example:8443',
    isTls: true,
  })
  assert.equal(parseAddress('unix:/run/qip.sock').socketPath, '/run/qip.sock')
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]']) {
    assert.equal(parseAddress(`http://${host}:7000`).isTls, false, host)
  }
  assert.equal(parseAddress('http://10.0.0.1:7000', 'anywhere').origin, 'http://10.0.0.1:7000')
})

test('refuses plain HTTP to other machines, and whatever is no address', () => {
  const refused = [
    'http://10.0.0.1:7000',
    'http://127.0.0.1.example:7000',
    'http://localhost.example:7000',
    'https://user:secret@authority.example',
    'https://authority.example/path',
    'https://authority.example/?x=1',
    'https://authority.example/#x',
    'ftp://authority.example',
    'unix:relative.sock',
    'authority.example',
    '//user:secret@',
    '',
  ]
  for (const text of refused) {
    assert.throws(
      () => parseAddress(text),
      (error) => isQipError(error, 'QIP_CLIENT_ADDRESS_REFUSED') && !error.message.includes('secret'),
      text,
    )
  }
})
