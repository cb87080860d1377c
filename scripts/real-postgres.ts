// A PostgreSQL of the distribution for tests: a cluster of its own in a temporary folder, on a Unix socket and a port of the
// loopback, that is gone when the test is. And standbys of it.
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  needComponent,
  openComponent,
  runComponent,
  type Component,
  type RunningComponent,
} from './real-components.ts'

/** A database server that runs. */
export interface PostgresServer extends AsyncDisposable {
  readonly folder: string
  readonly port: number
  /** Of the database `qip`, over the loopback. */
  readonly url: string
  /** Runs a statement as superuser and returns what psql prints, unaligned, without headings. */
  run(sql: string): Promise<string>
  /** Ends all processes at once, as a crash would. */
  kill(): Promise<void>
  /** Starts again after {@link PostgresServer.kill}. */
  start(): Promise<void>
  /** A copy of this server that follows it, on a port of its own. */
  openStandby(): Promise<PostgresServer>
  /** Makes a standby the primary. */
  promote(): Promise<void>
}

/** How a server is set up. */
export interface PostgresServerOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[]
}

const postgres = await needComponent('postgres')

/** To give as `skip` to a test. */
export const postgresSkip: string | false = postgres.skip

/** Makes a cluster, starts it, and makes the role `qip` with a database of its own. */
export async function openPostgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-postgres-'))
  const owner = await ownerOf(folder)
  const server = new Cluster(folder, { owner, port: await freePort() })
  await server.call('initdb', ['-D', server.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'])
  await server.configure([
    'wal_level = replica',
    'max_wal_senders = 10',
    'hot_standby = on',
    ...(options.settings ?? []),
  ])
  await server.start()
  await server.run('CREATE ROLE qip LOGIN')
  await server.run('CREATE DATABASE qip OWNER qip')
  return server
}

// PostgreSQL refuses to run as root; its package has made a user.
async function ownerOf(folder: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const { stdout } = await runComponent(tool('id', '/usr/bin/id'), ['-u', 'postgres'])
  await chown(folder, Number(stdout.toString()), 0)
  return 'postgres'
}

function tool(name: string, command = join(dirname(postgres.command), name)): Component {
  return { ...postgres, command }
}

class Cluster implements PostgresServer {
  readonly folder: string
  readonly port: number
  readonly #owner: string | undefined
  #running: RunningComponent | undefined

  constructor(
    folder: string,
    { owner, port }: { readonly owner: string | undefined; readonly port: number },
  ) {
    this.folder = folder
    this.port = port
    this.#owner = owner
  }

  get data(): string {
    return join(this.folder, 'data')
  }

  get url(): string {
    return `postgres://qip@127.0.0.1:${this.port}/qip`
  }

  async call(name: string, args: readonly string[]): Promise<string> {
    const { component, all } = this.#asOwner(name, args)
    const { status, stdout, stderr } = await runComponent(component, all, { timeoutMs: 60_000 })
    if (status !== 0) throw new Error(`${name} failed: ${stderr}`)
    return stdout.toString().trimEnd()
  }

  async configure(lines: readonly string[]): Promise<void> {
    const settings = [
      `port = ${this.port}`,
      "listen_addresses = '127.0.0.1'",
      `unix_socket_directories = '${this.folder}'`,
      ...lines,
    ]
    const file = join(this.data, 'postgresql.auto.conf')
    await writeFile(file, `${settings.join('\n')}\n`, { flag: 'a' })
  }

  async start(): Promise<void> {
    const { component, all } = this.#asOwner('postgres', ['-D', this.data])
    this.#running = await openComponent(component, all, {
      isReady: async () => (await this.#ask('SELECT 1', 'postgres')).status === 0,
    })
  }

  async run(sql: string): Promise<string> {
    const { status, stdout, stderr } = await this.#ask(sql, 'postgres')
    if (status !== 0) throw new Error(`psql failed: ${stderr}`)
    return stdout.toString().trimEnd()
  }

  async kill(): Promise<void> {
    this.#running?.signal('SIGKILL')
    await this.#running?.[Symbol.asyncDispose]()
    this.#running = undefined
  }

  async openStandby(): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'qip-postgres-'))
    const owner = await ownerOf(folder)
    const standby = new Cluster(folder, { owner, port: await freePort() })
    const from = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres']
    await standby.call('pg_basebackup', [
      ...from,
      '-D',
      standby.data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '--no-sync',
    ])
    await standby.configure([])
    await standby.start()
    return standby
  }

  async promote(): Promise<void> {
    await this.run('SELECT pg_promote(true, 30)')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #ask(sql: string, user: string): ReturnType<typeof runComponent> {
    const at = ['-h', '127.0.0.1', '-p', String(this.port), '-U', user, '-d', 'postgres']
    return runComponent(tool('psql'), [...at, '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql])
  }

  #asOwner(name: string, args: readonly string[]): { readonly component: Component; readonly all: string[] } {
    const component = tool(name)
    if (this.#owner === undefined) return { component, all: [...args] }
    const group = ['--reuid', this.#owner, '--regid', this.#owner, '--init-groups', '--']
    return { component: tool('setpriv', '/usr/bin/setpriv'), all: [...group, component.command, ...args] }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
