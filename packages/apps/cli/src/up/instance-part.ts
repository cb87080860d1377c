import { hostname } from 'node:os'
import { join } from 'node:path'
import { AuthorityInstance, openAuthorityMeter, serveInstance } from '@quantum-ip/authority'
import {
  type Bound,
  type Config,
  createListenerTls,
  type InstanceConfig,
  type Listener,
} from '@quantum-ip/http'
import { CliError } from '../cli-errors.ts'
import { readText } from '../lib/files.ts'
import { authorityOptions, listenersOf, type SharedParts } from './authority-part.ts'

/** A running instance of an authority that is several. */
export interface InstancePart {
  readonly url: string
  close(): Promise<void>
}

/**
 * Opens one of several authorities on a database, and serves it: resolves once it issues.
 *
 * @param name instead of the one in the configuration
 */
export async function openInstancePart(
  config: Config,
  shared: SharedParts,
  name: string | undefined,
): Promise<InstancePart> {
  const own = instanceOf(config)
  const { limits, overload, feed } = config.authority
  const meter = openAuthorityMeter(shared.telemetry.metrics)
  const ca = own.caFile && (await readText({ path: own.caFile, what: 'certificates of instances' }))
  const leaderSocket = join(config.store.directory, 'leader.sock')
  const instance = await AuthorityInstance.open({
    name: name ?? own.name ?? hostname().toLowerCase(),
    authority: await authorityOptions(config, meter, shared),
    listeners: await leaderListeners(config, own, leaderSocket),
    urlOf: (bound) => own.url ?? urlOf(bound),
    serve: { services: config.services, limits, feed, levels: () => shared.telemetry.levels() },
  })
  try {
    const served = await serveInstance({
      instance,
      listeners: await listenersOf(config),
      limits,
      overload,
      feed,
      leaderSocket,
      ...(ca !== undefined && { ca }),
      ...(config.telemetry.metrics && {
        metrics: (accept) => shared.telemetry.page(accept),
      }),
    })
    shared.telemetry.onRead(() => {
      meter.refresh(instance.leading)
      meter.declared(served.declared(), instance.issuing.clock.now())
    })
    return {
      url: urlOf(served.bound),
      async close() {
        await served.close()
        await instance.close()
      },
    }
  } catch (error) {
    await instance.close()
    throw error
  }
}

function instanceOf({ store }: Config): InstanceConfig {
  const found = store.kind === 'postgres' ? store.instance : undefined
  if (found !== undefined) return found
  throw new CliError('QIP_CLI_USAGE', {
    reason: 'the configuration is of one authority alone',
    next: 'write `store: { postgres: { instance: {} } }` to run several on one database',
  })
}

async function leaderListeners(
  { authority, custody }: Config,
  { listen }: InstanceConfig,
  socket: string,
): Promise<readonly Listener[]> {
  const { tls } = authority
  const names = ['localhost', listen.host]
  const { directory } = custody
  return [
    {
      host: listen.host,
      port: listen.port,
      ...(tls !== undefined && { tls: await createListenerTls({ tls, names, directory }) }),
    },
    // Who came by the Unix socket of this instance goes on by this one, while it leads.
    { path: socket, mode: 0o600 },
  ]
}

function urlOf(bound: readonly Bound[]): string {
  return bound.find(({ port }) => port !== 0)?.url ?? ''
}
