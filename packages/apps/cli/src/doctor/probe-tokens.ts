import { isQipError, type ServiceId, type TrustDomain } from '@quantum-ip/base'
import {
  admit,
  doctorService,
  openSession,
  requestObject,
  requestTokens,
  type Session,
} from '@quantum-ip/client'
import type { AskedAuthority } from '../lib/authority.ts'
import type { ProbeTokens } from './probe-kinds.ts'

/** The doctor, admitted: draws what probes need. */
export interface DoctorSession extends Disposable {
  /** One-time tokens of the doctor for itself: one for each probe. */
  tickets(count: number): Promise<readonly string[]>
  /** Tokens for the service that is asked, which go through the path. */
  tokens(service: ServiceId): Promise<ProbeTokens>
}

const ttlS = 120

/**
 * Has the doctor admitted, which only operators can. The session is left to end by itself; nobody else has its key.
 *
 * @throws {ClientError} · {@link CliError} as `qip token issue --as`
 */
export async function openDoctorSession(asked: AskedAuthority, td: TrustDomain): Promise<DoctorSession> {
  const doctor = doctorService(td)
  const made = await requestObject(asked.requester, {
    operation: 'a join token',
    method: 'POST',
    target: '/v1/join-tokens',
    json: { sid: doctor, role: 'verifier', builds: [], ttl: 60 },
  })
  const evidence = { token: made.text('token') }
  const admission = await admit(asked.requester, { method: 'join-token', evidence })
  const session = openSession({ transport: asked.transport, admission })
  return {
    async tickets(count) {
      const order = { audience: doctor, oneTime: true, ttlS, count }
      return (await requestTokens(session, order)).map(({ token }) => token)
    },
    async tokens(service) {
      const [compact] = await requestTokens(session, { audience: service, ttlS })
      const long = await drawLong(session, service)
      return {
        service,
        compact: compact?.token ?? '',
        staple: compact?.staple,
        long: long?.token,
        longInUse: long?.form === 'jwt',
      }
    },
    [Symbol.dispose]: () => session.close(),
  }
}

/** A JWT where the trust domain issues them, else a token that brings its signed head, which is as long. */
async function drawLong(
  session: Session,
  audience: ServiceId,
): Promise<{ readonly token: string; readonly form: string } | undefined> {
  for (const form of ['jwt', 'standalone'] as const) {
    try {
      const [issued] = await requestTokens(session, { audience, ttlS, form })
      if (issued !== undefined) return { token: issued.token, form }
    } catch (error) {
      // This trust domain issues none of that form.
      if (!isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) throw error
    }
  }
  return undefined
}
