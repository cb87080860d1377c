import type { TSchema } from 'typebox'
import { choice, duration, section, share } from './fields.ts'
import { words } from './words.ts'

const life = (what: string, value: string) =>
  duration({ description: `how long ${what} signs`, default: value, min: '10m', max: '3650d' })

/** The life of keys. */
export const keys: TSchema = section('the life of the keys that the authority makes', {
  rotation: section('when the next key takes over: once the enrolled members have acknowledged it', {
    threshold: share({
      description: 'of the members with a lease, which must have acknowledged',
      default: '100%',
    }),
    timeLimit: duration({
      description: 'how long a rotation waits for them',
      default: '5m',
      min: '1s',
      max: '24h',
    }),
    onTimeLimit: choice(words.onTimeLimit, {
      description:
        'what happens then. hold: the key before goes on signing, an event is raised, and the new one takes over as soon as they have acknowledged; rollback: the new key is withdrawn, and another one tried later',
      default: 'hold',
    }),
    schedule: section('how long the keys of each use sign', {
      'qip-token': duration({
        description: 'an issuing key; the next key opens the next token log',
        default: '24h',
        min: '10m',
        max: '30d',
      }),
      'qip-jwt': life('a key of the JWT form', '30d'),
      'qip-feed': life('a key of the signed state', '30d'),
      'qip-log': life('a key of the attestation log', '365d'),
      'qip-policy': life('a key of policies', '365d'),
    }),
  }),
})
