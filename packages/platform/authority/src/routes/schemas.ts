import { Type } from 'typebox'

/** Lowercase hexadecimal SHA-256. */
export const digestSchema = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'SHA-256, lowercase hexadecimal',
})

/** A service ID. */
export const sidSchema = Type.String({ maxLength: 512, pattern: '^spiffe://', description: 'service ID' })

/** Base64url of 32 bytes. */
export const bytes32Schema = Type.String({
  pattern: '^[A-Za-z0-9_-]{43}$',
  description: 'base64url of 32 bytes',
})

/** An object with exactly these members. */
export function closed<T extends Type.TProperties>(members: T): Type.TObject<T> {
  return Type.Object(members, { additionalProperties: false })
}
