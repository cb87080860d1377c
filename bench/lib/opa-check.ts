import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { freePort, listens } from '../../packages/apps/cli/src/gameday/processes.ts'
import { type Component, openComponent } from '../../scripts/real-components.ts'
import { holdToServerCore } from './process-cpu.ts'

/** OPA with its plugin for Envoy, and JWTs that its policy lets through. */
export interface OpaCheck extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  readonly jwts: readonly string[]
}

const terms = { issuer: 'spiffe://acme.example', audience: 'spiffe://acme.example/ns/prod/sa/shop' }

// What our policy asks in OPA's words: signature, issuer, audience and time, then the level of the build; who it was goes to the service.
function policyOf(jwks: string): string {
  return `package envoy.authz

import rego.v1

default allow := {"allowed": false, "http_status": 401}

allow := {"allowed": true, "headers": {"x-caller": claims.sub}} if {
  field := input.attributes.request.http.headers.authorization
  startswith(field, "Bearer ")
  [valid, _, claims] := io.jwt.decode_verify(substring(field, 7, -1), {
    "cert": \`${jwks}\`,
    "alg": "ES256",
    "iss": "${terms.issuer}",
    "aud": "${terms.audience}",
  })
  valid
  claims.slsa_level >= 3
}
`
}

/** Starts it on the servers' core, as its documentation says. It verifies each JWT anew: the plugin hands OPA no memory to keep them in. */
export async function openOpaCheck(opa: Component, jwts: number): Promise<OpaCheck> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-opa-'))
  const [port, http, health] = [await freePort(), await freePort(), await freePort()]
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' }
  await writeFile(join(folder, 'policy.rego'), policyOf(JSON.stringify({ keys: [jwk] })))
  const config = {
    plugins: { envoy_ext_authz_grpc: { addr: `127.0.0.1:${port}`, path: 'envoy/authz/allow' } },
  }
  await writeFile(join(folder, 'opa.yaml'), JSON.stringify(config))
  const files = ['--config-file', join(folder, 'opa.yaml'), join(folder, 'policy.rego')]
  const places = ['--addr', `127.0.0.1:${http}`, '--diagnostic-addr', `127.0.0.1:${health}`]
  const args = ['run', '--server', '--disable-telemetry', '--log-level', 'error', ...places, ...files]
  const running = await openComponent(opa, args, { isReady: () => listens(port) })
  holdToServerCore(running.pid)
  const signed = Array.from({ length: jwts }, (_, at) => {
    const claims = { sub: 'spiffe://acme.example/ns/prod/sa/checkout', slsa_level: 3, jti: String(at) }
    const jwt = new SignJWT({ ...claims, bld: 'a'.repeat(43) }).setProtectedHeader({
      alg: 'ES256',
      typ: 'JWT',
    })
    return jwt
      .setIssuer(terms.issuer)
      .setAudience(terms.audience)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(privateKey)
  })
  return {
    pid: running.pid,
    port,
    jwts: await Promise.all(signed),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
