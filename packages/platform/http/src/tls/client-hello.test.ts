import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { connect } from 'node:tls'
import * as fc from 'fast-check'
import { clientHelloBytesMax, readClientHello } from './client-hello.ts'

/** The first bytes that OpenSSL sends. */
async function captured(ecdhCurve: string): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  try {
    return await new Promise((resolve) => {
      server.on('connection', (socket) => {
        let bytes = Buffer.alloc(0)
        socket.on('error', () => {})
        socket.on('data', (chunk: Buffer) => {
          bytes = Buffer.concat([bytes, chunk])
          if (bytes.length < 5 + bytes.readUInt16BE(3)) return
          socket.destroy()
          resolve(bytes)
        })
      })
      connect({ port, host: '127.0.0.1', ecdhCurve, rejectUnauthorized: false, servername: 'localhost' }).on(
        'error',
        () => {},
      )
    })
  } finally {
    server.close()
  }
}

/** The same handshake message, cut over records of `size` bytes. */
function cut(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part)
  }
  return Buffer.concat(records)
}

describe('readClientHello', () => {
  const lists: [string, number[]][] = [
    ['X25519MLKEM768:X25519', [0x11ec, 0x1d]],
    ['X25519', [0x1d]],
    ['P-256:X25519', [0x17, 0x1d]],
  ]
  for (const [list, groups] of lists) {
    it(`reads the groups of ${list} in order`, async () => {
      const hello = await captured(list)
      assert.deepEqual(readClientHello(hello), { groups })
      for (const size of [1, 100, 1_000]) assert.deepEqual(readClientHello(cut(hello, size)), { groups })
    })
  }

  it('asks for more while the hello is not whole, and takes what follows it', async () => {
    const hello = await captured('X25519')
    for (let size = 0; size < hello.length; size++)
      assert.equal(readClientHello(hello.subarray(0, size)), undefined)
    assert.deepEqual(readClientHello(Buffer.concat([hello, Buffer.from('more')])), { groups: [0x1d] })
  })

  it('gives up on what is no ClientHello', () => {
    const cases = [
      'GET / HTTP/1.1\r\n\r\n',
      '\x15\x03\x01\x00\x02\x02\x28',
      '\x16\x03\x01\x00\x04\x02\x00\x00\x00',
      '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03',
    ]
    for (const text of cases) assert.equal(readClientHello(Buffer.from(text, 'latin1')), 'malformed')
  })

  it('gives up past its limit', () => {
    const huge = Buffer.alloc(clientHelloBytesMax + 6)
    huge.set([22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xff])
    assert.equal(readClientHello(huge), 'malformed')
    const drops = Buffer.concat(Array.from({ length: 4_000 }, () => Buffer.from([22, 3, 1, 0, 0])))
    assert.equal(readClientHello(drops), 'malformed')
  })

  it('never throws, whatever is changed in a hello', async () => {
    const hello = await captured('X25519MLKEM768:X25519')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(hello.length),
        (edits, size) => {
          const bytes = Buffer.from(hello)
          for (const [at, value] of edits) bytes[at] = value
          readClientHello(bytes.subarray(0, size))
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
