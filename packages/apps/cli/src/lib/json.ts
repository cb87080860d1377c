import type { Json, JsonObject } from '@quantum-ip/base'

/** Whether `value` is a JSON object. */
export function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
