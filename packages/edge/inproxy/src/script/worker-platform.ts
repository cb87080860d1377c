import type { Platform } from './platform.ts'
import { sha256Parts } from './sha256.ts'

/** A {@link Platform} of what Web-standard runtimes have. */
export function webPlatform(read: (name: string) => string | undefined): Platform {
  return {
    sha256: sha256Parts,
    decode: (text) => {
      const decoded = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
      const bytes = new Uint8Array(decoded.length)
      for (let i = 0; i < decoded.length; i++) bytes[i] = decoded.charCodeAt(i)
      return bytes
    },
    encode: (bytes) => btoa(latin1(bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/[=]+$/, ''),
    ascii: latin1,
    hex: (bytes) => {
      let text = ''
      for (let i = 0; i < bytes.length; i++) text += (bytes[i] as number).toString(16).padStart(2, '0')
      return text
    },
    read: read,
  }
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}
