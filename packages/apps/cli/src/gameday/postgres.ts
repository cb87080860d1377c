import { appendFile, chown } from 'node:fs/promises'
import { join } from 'node:path'
import { DrillImpossible } from './drill.ts'
import type { Lab } from './lab.ts'
import { freePort, type RunningProcess, runProcess, startProcess } from './processes.ts'
import { findProgram } from './programs.ts'

/** A PostgreSQL of the distribution, with a cluster of its own. */
export class LabPostgres {
  readonly port: number
  readonly #data: string
  #running: RunningProcess | undefined

  private constructor(data: string, port: number) {
    this.#data = data
    this.port = port
  }

  /** Makes a cluster with a database `qip`, and starts it. @throws {DrillImpossible} */
  static async open(lab: Lab): Promise<LabPostgres> {
    const server = await LabPostgres.#lay(lab, 'primary')
    await server.#call('initdb', [
      '-D',
      server.#data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-sync',
    ])
    await server.#configure(['wal_level = replica', 'hot_standby = on', 'max_wal_senders = 10'])
    await server.start()
    await server.run('CREATE ROLE qip LOGIN')
    await server.run('CREATE DATABASE qip OWNER qip')
    return server
  }

  static async #lay(lab: Lab, name: string): Promise<LabPostgres> {
    const folder = await lab.subfolder(name)
    // It refuses to run as root; its package has made a user.
    if (process.getuid?.() === 0) {
      const id = Number(await runProcess('/usr/bin/id', ['-u', 'postgres']))
      await chown(lab.folder, id, 0)
      await chown(folder, id, id)
    }
    const server = new LabPostgres(join(folder, 'data'), await freePort())
    lab.defer(() => server.kill())
    return server
  }

  /** A copy that follows this server, and that every commit waits for from now on. */
  async openStandby(lab: Lab): Promise<LabPostgres> {
    const standby = await LabPostgres.#lay(lab, 'standby')
    const source = `host=127.0.0.1 port=${this.port} user=postgres application_name=standby`
    await standby.#call('pg_basebackup', [
      '-D',
      standby.#data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '-d',
      source,
    ])
    await standby.#configure([])
    await standby.start()
    await this.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await this.run('SELECT pg_reload_conf()')
    return standby
  }

  async start(): Promise<void> {
    this.#running = await startProcess({
      command: programOf('postgres'),
      args: ['-D', this.#data],
      cwd: '/',
      user: 'postgres',
      isReady: () =>
        this.run('SELECT 1').then(
          () => true,
          () => false,
        ),
    })
  }

  async kill(): Promise<void> {
    await this.#running?.kill()
  }

  /** Makes a standby the primary, and lets it acknowledge alone. */
  async promote(): Promise<void> {
    await this.run('SELECT pg_promote(true, 30)')
    await this.run("ALTER SYSTEM SET synchronous_standby_names = ''")
    await this.run('SELECT pg_reload_conf()')
  }

  /** Runs a statement as superuser. */
  run(sql: string): Promise<string> {
    const place = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', 'postgres']
    return this.#call('psql', ['-X', '-q', '-t', '-A', '-v', 'ON_ERROR_STOP=1', ...place, '-c', sql])
  }

  #call(program: string, args: readonly string[]): Promise<string> {
    return runProcess(programOf(program), args, { user: 'postgres' })
  }

  #configure(lines: readonly string[]): Promise<void> {
    const all = [
      `port = ${this.port}`,
      "listen_addresses = '127.0.0.1'",
      "unix_socket_directories = ''",
      ...lines,
    ]
    return appendFile(join(this.#data, 'postgresql.auto.conf'), `${all.join('\n')}\n`)
  }
}

/** @throws {DrillImpossible} */
function programOf(name: string): string {
  const command = findProgram(name)
  if (command === undefined) throw new DrillImpossible(`${name} is not installed`)
  return command
}
