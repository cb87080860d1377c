import { choice, duration, form, item, kind, label, list, listen } from './fields.ts'
import { words } from './words.ts'

const address = '[0-9a-fA-F:.]{2,45}(?:/[0-9]{1,3})?'

const peers = list(
  form({ description: 'one of them', pattern: `^${address}$`, form: 'an address or a CIDR block' }),
  {
    description: 'whose PROXY protocol header, version 2, is read; nobody else gets in',
    minItems: 1,
    maxItems: 1_000,
    absent: true,
  },
)

const flow = item(
  {
    name: label({ description: 'its name, in records and facts' }),
    listen: listen({ description: 'address and port' }),
    service: kind('service', { description: 'the service behind it, which tokens must be for' }),
    upstream: listen({ description: 'where its connections go, `host:port`' }),
    peers,
  },
  {
    quarantineUpstream: listen({
      description: 'where quarantined connections go; absent: they are closed',
    }),
    policy: label({ description: 'the name of a policy; absent: the built-in one, which rejects' }),
    send: choice(words.flowSend, {
      description:
        'what goes before the first byte: a PROXY protocol header that says who was verified, or nothing',
      default: 'proxy-v2',
    }),
    idleTimeout: duration({
      description: 'a connection in which neither side says anything for so long is cut',
      default: '10m',
      min: '1s',
      max: '7d',
    }),
  },
)

/** Connections of any protocol. */
export const flows = list(flow, {
  description: 'connections of any protocol, whose caller is verified when they begin',
  maxItems: 100,
})
