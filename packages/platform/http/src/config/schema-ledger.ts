import {
  duration,
  form,
  integer,
  item,
  kind,
  label,
  list,
  listen,
  optionalSection,
  path,
  section,
} from './fields.ts'
import { tls } from './schema-authority.ts'

const vkey = (description: string) => kind('vkey', { description })

/** Where logs go beyond the authority, and who vouches for them. */
export const ledger = section('logs beyond the authority: published as static files, cosigned by witnesses', {
  publish: list(
    item(
      {},
      {
        directory: path({ description: 'a directory, for a web server to serve' }),
        s3: optionalSection('a bucket of any store that speaks S3', {
          endpoint: kind('origin', { description: 'of the store, `https://host:port`' }),
          bucket: form({
            description: 'its name',
            pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
            form: 'a name of 3 to 63 lower-case letters, digits, dots and hyphens',
          }),
          prefix: form({
            description: 'in front of every path',
            pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$',
            form: 'a path such as `acme/logs`',
          }),
          region: form({
            description: 'that requests are signed for',
            pattern: '^[a-z0-9-]{1,64}$',
            form: 'a name such as `eu-central-1`',
            default: 'us-east-1',
          }),
          credentialsFile: path({ description: 'JSON with accessKeyId and secretAccessKey, mode 0600' }),
        }),
      },
    ),
    { description: 'where every log is published as tiles (c2sp.org/tlog-tiles)', maxItems: 16 },
  ),
  interval: duration({
    description: 'how often logs that grew are published and cosigned',
    default: '10s',
    min: '100ms',
    max: '1h',
  }),
  witnesses: list(
    item(
      {
        name: label({ description: 'in events' }),
        vkey: vkey('what it signs with: `qip ledger witness vkey` of the witness prints it'),
        url: kind('url', { description: 'where it takes checkpoints; `add-checkpoint` is below it' }),
      },
      {},
    ),
    { description: 'who cosigns checkpoints (c2sp.org/tlog-witness)', maxItems: 32 },
  ),
  quorum: integer({
    description:
      'how many of them must have cosigned a checkpoint before it is shown; absent: more than half',
    minimum: 0,
    maximum: 32,
  }),
})

/** The mirror. */
export const mirror = section('the mirror: `qip ledger mirror`', {
  directory: path({
    description: 'where it keeps logs, attestations and trust documents',
    default: './mirror',
  }),
  listen: listen({
    description: 'address and port; off the loopback it needs tls and readersFile',
    default: '127.0.0.1:7700',
  }),
  tls,
  readersFile: path({
    description:
      'bearer tokens, one a line, of who may read attestations and revocations; logs, state and keys are open to all. Absent: anybody on this machine may',
  }),
  checkEvery: duration({
    description: 'how often every file is checked against the signed checkpoints; at start in any case',
    default: '6h',
    min: '1m',
    max: '30d',
  }),
})

/** Keys of `trust` about mirrors and witnesses. */
export const trustBeyond = {
  mirrors: list(kind('origin', { description: '`https://host:port` of a mirror' }), {
    description: 'asked in this order while the authority is away; they may withhold and replay, never forge',
    maxItems: 16,
  }),
  mirrorCaFile: path({
    description: 'PEM certificates that are trusted for them; absent: those of the system',
  }),
  mirrorTokenFile: path({ description: 'a file with the bearer token that they want from readers' }),
  witnesses: section('who must have seen a log for its evidence to count', {
    vkeys: list(vkey('`qip ledger witness vkey` of the witness prints it'), {
      description: 'one for each witness',
      maxItems: 32,
    }),
    quorum: integer({
      description: 'how many of them must have cosigned; 0: the log alone is relied on',
      default: 0,
      minimum: 0,
      maximum: 32,
    }),
  }),
}
