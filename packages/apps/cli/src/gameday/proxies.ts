import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DrillImpossible } from './drill.ts'
import type { Lab } from './lab.ts'
import { freePort, listens, type RunningProcess, startProcess } from './processes.ts'
import { findProgram } from './programs.ts'

/** A proxy of the distribution in front of a gateway. */
export interface LabProxy {
  readonly url: string
  /** Takes other rules, as its operator would: nginx is reloaded, HAProxy started again. */
  change(rules: string): Promise<void>
}

/** Starts nginx with its defaults before `target`; `rules` stand in its one location, `server` in its server. */
export async function openNginx(lab: Lab, target: string, rules = '', server = ''): Promise<LabProxy> {
  const command = programOf('nginx')
  const folder = await lab.subfolder('nginx')
  const port = await freePort()
  const write = (text: string): Promise<void> =>
    writeFile(join(folder, 'nginx.conf'), nginxConfig({ port, target, rules: text, server }))
  await write(rules)
  const process = await startProcess({
    command,
    args: ['-p', folder, '-e', 'error.log', '-c', join(folder, 'nginx.conf')],
    isReady: async () =>
      (await readFile(join(folder, 'nginx.pid'), 'utf8').catch(() => '')) !== '' && listens(port),
  })
  lab.defer(() => process.kill())
  return {
    url: `http://127.0.0.1:${port}`,
    async change(text) {
      await write(text)
      process.signal('SIGHUP')
    },
  }
}

interface NginxParts {
  readonly port: number
  readonly target: string
  readonly rules: string
  readonly server: string
}

function nginxConfig({ port, target, rules, server }: NginxParts): string {
  // Workers of root would be `nobody`, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `${user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 256; }
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${kind}-temp;`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${server}
    location / {
      proxy_pass ${target};
      proxy_set_header Host $host;
      ${rules}
    }
  }
}
`
}

/** Starts HAProxy with its defaults before `target`; `rules` stand in its frontend. */
export async function openHaproxy(lab: Lab, target: string, rules = ''): Promise<LabProxy> {
  const command = programOf('haproxy')
  const folder = await lab.subfolder('haproxy')
  const port = await freePort()
  const start = async (text: string): Promise<RunningProcess> => {
    await writeFile(join(folder, 'haproxy.cfg'), haproxyConfig({ port, target, rules: text }))
    return startProcess({
      command,
      args: ['-db', '-C', folder, '-f', join(folder, 'haproxy.cfg')],
      isReady: () => listens(port),
    })
  }
  let running = await start(rules)
  lab.defer(() => running.kill())
  return {
    url: `http://127.0.0.1:${port}`,
    async change(text) {
      await running.stop()
      running = await start(text)
    },
  }
}

function haproxyConfig({ port, target, rules }: { port: number; target: string; rules: string }): string {
  return `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:${port}
  ${rules}
  default_backend out
backend out
  server gateway ${new URL(target).host}
`
}

/** @throws {DrillImpossible} */
function programOf(name: 'nginx' | 'haproxy'): string {
  const command = findProgram(name)
  if (command === undefined) throw new DrillImpossible(`${name} is not installed`)
  return command
}
