import { choice, duration, integer, section } from './fields.ts'
import { words } from './words.ts'

/** How misuse of keys is found. */
export const detection = section('how misuse of keys is found, and what is done about it', {
  onProof: choice(words.onProof, {
    description:
      'on proof that a key is stolen (it signed what is not in its log): revoke it at once, or raise the event and leave it to an operator',
    default: 'revoke',
  }),
  keyRate: section('when an event tells of the rate at which keys of one use sign', {
    factor: integer({
      description: 'so many times the median of the last hour',
      default: 10,
      minimum: 2,
      maximum: 10_000,
    }),
    floor: integer({
      description: 'and more than so many signatures in a minute',
      default: 1_000,
      minimum: 1,
      maximum: 100_000_000,
    }),
  }),
})

/** How long the authority keeps what it must be able to show later. */
export const retention = section('how long the authority keeps what it must be able to show later', {
  issuance: duration({
    description:
      'what each logged hash opens to, under which session and on what evidence, sealed to the key custodian; 0s: not at all',
    default: '30d',
    max: '3650d',
  }),
  logs: duration({
    description: 'the entries of closed token logs; that they were there, and their last checkpoints, stay',
    default: '90d',
    min: '1d',
    max: '3650d',
  }),
  events: duration({
    description: 'closed security events; what nobody closed stays',
    default: '365d',
    min: '1d',
    max: '3650d',
  }),
})
