import { type Admission, createAdmission, openSession, openTransport, type Session } from '../../src/index.ts'
import { type Transport, type TransportOptions } from '../../src/index.ts'
import type { TestAuthority } from './authority.ts'

/** A transport that ends with the test. */
export function connect(authority: TestAuthority, options: Partial<TransportOptions> = {}): Transport {
  return openTransport({ url: authority.url, timeoutMs: 2_000, ...options })
}

/** An admission to a session that the authority knows. */
export function admitted(
  authority: TestAuthority,
  role: 'workload' | 'verifier' = 'workload',
  expiresInS = 3_600,
): Admission {
  const { id, key, sid } = authority.addSession(role)
  const expiresS = authority.domain.nowS() + expiresInS
  return createAdmission({ id, key, sid, role, builds: [], expiresS, warnings: [] })
}

/** A session that the authority knows. */
export function member(
  authority: TestAuthority,
  transport: Transport,
  role: 'workload' | 'verifier' = 'verifier',
): Session {
  return openSession({ transport, admission: admitted(authority, role), clock: authority.domain.clock })
}
