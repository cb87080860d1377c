import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Component,
  openComponent,
  type RunningComponent,
} from '../../../../../scripts/real-components.ts'
import type { Lab } from '../../src/gameday/lab.ts'
import { freePort, listens } from '../../src/gameday/processes.ts'

const deploy = fileURLToPath(new URL('../../../../../deploy', import.meta.url))

/** Of each hour of the shipped rules there is a minute: no test can wait for the hour. */
export const fasterBy = 60

/** The shipped rules with every span of time shortened: ranges, offsets and waits. Nothing else is changed. */
export function hasten(rules: string): string {
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const
  const shorter = (amount: string, unit: string): string =>
    `${Math.max(1, (Number(amount) * seconds[unit as keyof typeof seconds]) / fasterBy)}s`
  return rules
    .replaceAll(/\[(\d+)([smhd])\]/g, (_, amount: string, unit: string) => `[${shorter(amount, unit)}]`)
    .replaceAll(/\b(offset |for: )(\d+)([smhd])\b/g, (_, word: string, amount: string, unit: string) => {
      return `${word}${shorter(amount, unit)}`
    })
}

/** What Alertmanager told a receiver. */
export interface Notice {
  readonly kind: 'page' | 'ticket'
  readonly status: 'firing' | 'resolved'
  readonly credential: string
  readonly groupKey: string
  readonly groupLabels: Readonly<Record<string, string>>
  readonly alerts: readonly {
    readonly status: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }[]
}

/** A Prometheus and an Alertmanager with what `deploy/` has, and who receives what they send. */
export interface Monitoring {
  readonly notices: readonly Notice[]
  /** Series that a query returns now. */
  query(expr: string): Promise<readonly { readonly metric: Record<string, string>; readonly value: number }[]>
  /** Names of the alerts that fire now. */
  firing(): Promise<readonly string[]>
}

/** Where Prometheus finds what it watches. */
export interface Targets {
  readonly authorities: readonly string[]
  readonly gateways: readonly string[]
}

async function receive(request: IncomingMessage): Promise<Notice> {
  const body = JSON.parse((await request.toArray()).join('')) as Omit<Notice, 'kind' | 'credential'>
  const kind = request.url === '/page' ? 'page' : 'ticket'
  return { ...body, kind, credential: request.headers.authorization ?? '' }
}

async function openReceiver(lab: Lab, notices: Notice[]): Promise<string> {
  const server = createServer((request, response) => {
    void receive(request).then((notice) => {
      notices.push(notice)
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  lab.defer(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function openAlertmanager(lab: Lab, program: Component, receiver: string): Promise<number> {
  const folder = await lab.subfolder('alertmanager')
  await cp(join(deploy, 'alertmanager'), folder, { recursive: true })
  const file = join(folder, 'alertmanager.yml')
  const shipped = await readFile(file, 'utf8')
  const config = shipped
    .replaceAll('127.0.0.1:9080', receiver)
    .replaceAll(/(group_wait|group_interval): \w+/g, '$1: 2s')
  await writeFile(file, config)
  await mkdir(join(folder, 'secrets'))
  for (const name of ['pager', 'tickets']) {
    await writeFile(join(folder, 'secrets', `${name}-token`), `${name}-secret`)
  }
  const port = await freePort()
  const running = await openComponent(
    program,
    [
      `--config.file=${file}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    { isReady: () => listens(port) },
  )
  lab.defer(() => running[Symbol.asyncDispose]())
  return port
}

async function openPrometheus(
  lab: Lab,
  program: Component,
  { targets, alertmanager }: { readonly targets: Targets; readonly alertmanager: number },
): Promise<number> {
  const folder = await lab.subfolder('prometheus')
  await cp(join(deploy, 'prometheus'), folder, { recursive: true })
  const change = async (name: string, edit: (text: string) => string): Promise<void> => {
    const file = join(folder, name)
    await writeFile(file, edit(await readFile(file, 'utf8')))
  }
  await change('prometheus.yml', (text) =>
    text.replaceAll('15s', '1s').replace('127.0.0.1:9093', `127.0.0.1:${alertmanager}`),
  )
  await change('recording.rules.yaml', hasten)
  await change('alerting.rules.yaml', hasten)
  await change('targets/authorities.yaml', () => JSON.stringify([{ targets: targets.authorities }]))
  await change('targets/gateways.yaml', () => JSON.stringify([{ targets: targets.gateways }]))
  const port = await freePort()
  const running: RunningComponent = await openComponent(
    program,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { isReady: () => listens(port) },
  )
  lab.defer(() => running[Symbol.asyncDispose]())
  return port
}

/** Starts both, with the shipped files; spans of time are shortened, addresses those of the lab. */
export async function openMonitoring(
  lab: Lab,
  programs: { readonly prometheus: Component; readonly alertmanager: Component },
  targets: Targets,
): Promise<Monitoring> {
  const notices: Notice[] = []
  const receiver = await openReceiver(lab, notices)
  const alertmanager = await openAlertmanager(lab, programs.alertmanager, receiver)
  const port = await openPrometheus(lab, programs.prometheus, { targets, alertmanager })
  const query: Monitoring['query'] = async (expr) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: expr }),
    })
    const answer = (await response.json()) as QueryAnswer
    if (answer.data === undefined) throw new Error(`${answer.error}: ${expr}`)
    return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
  }
  return {
    notices,
    query,
    firing: async () =>
      (await query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric['alertname'] ?? ''),
  }
}

interface QueryAnswer {
  readonly error?: string
  readonly data?: {
    readonly result: readonly {
      readonly metric: Record<string, string>
      readonly value: readonly [number, string]
    }[]
  }
}
