import type { Requester } from './request.ts'

/** An operator: sends every request with a bearer credential. The credential is no property of what is returned. */
export function bearer(requester: Requester, credential: string): Requester {
  if (!/^[\u0021-\u007e]{1,1024}$/.test(credential)) throw new TypeError('not a bearer credential')
  const authorize = () => `Bearer ${credential}`
  return {
    request: (request) => requester.request({ ...request, authorize }),
    stream: (request) => requester.stream({ ...request, authorize }),
  }
}
