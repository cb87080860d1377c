import { TokenRefusal } from '../token-refusal.ts'

/** Every refusal of the decoders, made once: see {@link TokenRefusal}. */
export const refusals = {
  // The one that the truncation grammar is about.
  ended: new TokenRefusal('the input ends inside an item', true),
  // Text.
  prefix: new TokenRefusal('it begins like no form of token'),
  tooLong: new TokenRefusal('it is longer than any token'),
  tooShort: new TokenRefusal('it is too short to tell'),
  alphabet: new TokenRefusal('it is not canonical base64url'),
  severalFields: new TokenRefusal('there is more than one token'),
  // CBOR.
  overrun: new TokenRefusal('an item is longer than what holds it'),
  trailing: new TokenRefusal('something follows the last item'),
  wrongType: new TokenRefusal('an item has another type'),
  notShortest: new TokenRefusal('a head is not the shortest one'),
  keyOrder: new TokenRefusal('map keys repeat or are out of order'),
  unknownClaim: new TokenRefusal('there is a claim that version 1 does not have'),
  missingClaim: new TokenRefusal('a required claim is missing'),
  // Values.
  size: new TokenRefusal('a value has another size'),
  range: new TokenRefusal('a number is out of range'),
  count: new TokenRefusal('an array has too few or too many items'),
  serviceId: new TokenRefusal('a service ID is malformed'),
  audience: new TokenRefusal('the audience is not allowed'),
  lifetime: new TokenRefusal('the lifetime is not allowed'),
  subtree: new TokenRefusal('the subtree is not valid, too large or without the index'),
  cosigners: new TokenRefusal('key IDs of signatures repeat or are out of order'),
  origin: new TokenRefusal('an origin is malformed'),
  // JWS.
  jwsShape: new TokenRefusal('it has not the three parts of a compact JWS'),
  jwsHeader: new TokenRefusal('the JWS header is not `alg`, `kid` and `typ` of a token'),
  jwsPayload: new TokenRefusal('the JWS payload is not a set of claims'),
  jwsSignature: new TokenRefusal('the signature has another size'),
} as const satisfies Record<string, TokenRefusal>
