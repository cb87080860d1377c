import { publicJwk } from '@quantum-ip/crypto'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

/** The next root document, and the bundle keys that it may list. */
export function addRootRoutes(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/root',
    {
      config: requireRole('key-custodian'),
      schema: {
        body: closed({
          envelope: Type.String({ maxLength: 1_400_000, description: 'the signed document, DSSE as JSON' }),
        }),
      },
    },
    async (request) => {
      const { sequence, roots, threshold, bundleKeys } = await authority.installRoot(request.body.envelope)
      await authority.acts.record(actorOf(request), 'install-root', { sequence })
      return {
        sequence,
        roots: roots.map(({ kid }) => kid),
        threshold,
        bundleKeys: bundleKeys.map(({ kid }) => kid),
        seq: authority.publisher.current.seq,
      }
    },
  )

  app.get('/v1/root/bundle-keys', { config: requireRole('viewer') }, () => {
    const listed = new Set(authority.root.bundleKeys.map(({ kid }) => kid))
    return {
      bundleKeys: authority.bundleKeys.map((key) => ({
        kid: key.kid,
        listed: listed.has(key.kid),
        jwk: { ...publicJwk(key) },
      })),
    }
  })

  const order = { config: requireRole('key-custodian'), schema: { body: closed({}) } }
  app.post('/v1/root/bundle-keys', order, async (request) => {
    const key = await authority.createBundleKey()
    await authority.acts.record(actorOf(request), 'create-bundle-key', { kid: key.kid })
    return { kid: key.kid, jwk: { ...publicJwk(key) } }
  })
}
