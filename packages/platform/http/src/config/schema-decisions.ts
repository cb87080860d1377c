import { redactableFields, verdictReasons } from '@quantum-ip/telemetry'
import {
  choice,
  duration,
  integer,
  item,
  list,
  optionalSection,
  path,
  section,
  share,
  size,
} from './fields.ts'
import { words } from './words.ts'

const field = choice(redactableFields, { description: 'a field of records' })

/** The decision log: what is recorded, where it is kept, and what records are kept without. */
export const decisions = section('the decision log', {
  verifiedShare: share({ description: 'of verified decisions; all others are recorded', default: '1%' }),
  incidentShare: share({
    description: 'of verified decisions while an incident is open, if that is more',
    default: '10%',
  }),
  perReasonPerSecond: integer({
    description: 'records per reason and second; what is above is counted',
    default: 100,
    minimum: 1,
    maximum: 100_000,
  }),
  keep: duration({
    description: 'how long the authority keeps records',
    default: '30d',
    min: '1h',
    max: '3650d',
  }),
  folder: path({
    description: "where a gateway keeps its own, each in a folder of the gateway's name",
    default: './decisions',
  }),
  sizeMax: size({ description: 'of that, for all reasons', default: '1GiB', min: '4MiB', max: '1000GiB' }),
  perReasonSizeMax: size({
    description: 'of that, for each reason; its oldest records go first',
    default: '128MiB',
    min: '256KiB',
    max: '1000GiB',
  }),
  segmentSize: size({ description: 'after which a file ends', default: '8MiB', min: '64KiB', max: '1GiB' }),
  segmentAge: duration({ description: 'after which a file ends', default: '1h', min: '1m', max: '7d' }),
  keepLocal: duration({
    description: 'how long a gateway keeps records itself',
    default: '7d',
    min: '1m',
    max: '3650d',
  }),
  perReason: list(
    item(
      { reason: choice(verdictReasons, { description: 'a reason of verdicts' }) },
      {
        perSecond: integer({ description: 'absent: as above', minimum: 1, maximum: 100_000 }),
        sizeMax: size({ description: 'absent: as above', min: '256KiB', max: '1000GiB' }),
        keepLocal: duration({ description: 'absent: as above', min: '1m', max: '3650d' }),
      },
    ),
    { description: 'for reasons where it differs', maxItems: 64 },
  ),
  redact: list(
    item(
      { field },
      {
        method: choice(words.redaction, {
          description: 'drop: nothing of it is kept; hash: an HMAC, by which the same value is known again',
          default: 'drop',
        }),
      },
    ),
    { description: 'fields that records are kept without, from the start', maxItems: 64 },
  ),
  hashKeyFile: path({ description: 'at least 32 bytes, for `method: hash`' }),
  seal: optionalSection("what is kept only for the holder of a custodian's key", {
    keyFile: path({ description: "the custodian's public key: an X-Wing JWK" }),
    fields: list(field, {
      description: 'absent: host, path, mtls, jwt; kept in no other form',
      maxItems: 64,
      minItems: 1,
      absent: true,
    }),
  }),
})
