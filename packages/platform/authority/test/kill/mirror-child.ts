// A mirror that somebody will kill: argv[2] is what it is told.
import { openTransport } from '@quantum-ip/client'
import { openMirror } from '@quantum-ip/mirror'
import { type RootPins, TrustStore } from '@quantum-ip/trust'
import { asFollower } from '../mirror-support.ts'

const told = JSON.parse(process.argv[2] ?? '') as {
  readonly td: TrustStore['td']
  readonly pins: RootPins
  readonly source: string
  readonly directory: string
}
const { td, pins, source, directory } = told
await openMirror({
  store: new TrustStore({ td, pins }),
  session: asFollower(openTransport({ url: source })),
  directory,
  pollMs: 20,
  saveMs: 20,
  onEvent: (event) => {
    if (event.kind === 'progress') process.stdout.write('.')
  },
})
