import type { TSchema } from 'typebox'
import { duration, form, integer, item, kind, label, list, optionalSection, path, section } from './fields.ts'

const server = optionalSection('a server, which is asked by POST', {
  url: kind('origin', { description: '`http://127.0.0.1:8181`' }),
  caFile: path({
    description: 'PEM certificates that an https server must chain to; absent: those of the system',
  }),
  timeout: duration({
    description: 'for one question; after it there is no answer',
    default: '50ms',
    min: '1ms',
    max: '10s',
  }),
  inFlight: integer({
    description: 'questions that each thread may have open; one more gets no answer',
    default: 64,
    minimum: 1,
    maximum: 10_000,
  }),
  cache: duration({
    description: 'how long an answer is kept for the same facts, ages and the time apart; 0s: not at all',
    default: '0s',
    max: '1h',
  }),
  cacheEntries: integer({
    description: 'answers that are kept in each thread',
    default: 10_000,
    minimum: 1,
    maximum: 1_000_000,
  }),
})

const opa = optionalSection('an Open Policy Agent: a server, or compiled Rego', {
  server,
  wasm: path({ description: 'instead of a server: a module that `opa build -t wasm` made' }),
  path: form({
    description: 'the document that decides: its path below /v1/data, and the entry point of a module',
    pattern: '^[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*){0,15}$',
    form: 'a path such as `quantum_ip/decision`',
    default: 'quantum_ip/decision',
  }),
  facts: list(form({ description: 'a fact', pattern: '^[a-zA-Z.]{1,64}$', form: 'the name of a fact' }), {
    description: 'the facts that are sent as input; absent: all of them',
    maxItems: 100,
    minItems: 1,
    absent: true,
  }),
})

/** Policy documents, and engines beside CEL that they may ask. */
export const policies: TSchema = section('policy documents', {
  files: list(path({ description: 'a YAML file' }), { description: 'read at start', maxItems: 1_000 }),
  authority: list(label({ description: 'the name of a policy' }), {
    description:
      'policies that the authority publishes and rolls out; none of them may be in a file. Until the authority has given one, the built-in one holds, which rejects',
    maxItems: 256,
  }),
  engines: list(item({ name: label({ description: 'how policies call it, in `spec.engine`' }) }, { opa }), {
    description: 'engines beside CEL, which policies may ask where no rule of theirs decides',
    maxItems: 16,
  }),
})
