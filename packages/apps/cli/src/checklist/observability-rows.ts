import type { JsonObject } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import { request } from 'undici'
import { messageOf } from '../doctor/authority-checks.ts'
import { askPeople, type ChecklistRow } from './row.ts'

const answerBytesMax = 16 * 1_048_576
const timeoutMs = 10_000

/** Whether the authority has metrics at all. */
export async function metricsRows(requester: Requester): Promise<readonly ChecklistRow[]> {
  await requester.request({
    operation: 'the metrics',
    method: 'GET',
    target: '/metrics',
    answerBytesMax,
  })
  return [{ name: 'metrics-served', outcome: 'ok', seen: 'the authority serves /metrics' }]
}

/** Whether Prometheus has our series and our alerts, and somebody to send them to. */
export async function prometheusRows(url: string | undefined): Promise<readonly ChecklistRow[]> {
  if (url === undefined)
    return [
      askPeople(
        'metrics-scraped',
        'Does Prometheus scrape every authority and gateway? (--prometheus <url> looks)',
      ),
    ]
  try {
    const base = url.replace(/\/$/, '')
    const series = await ask(`${base}/api/v1/query?query=count(quantum_ip_verifications_total)`)
    const rules = JSON.stringify(await ask(`${base}/api/v1/rules?type=alert`))
    const managers = await ask(`${base}/api/v1/alertmanagers`)
    return [
      lookRow('metrics-scraped', list(series, 'result').length > 0, {
        good: 'Prometheus has quantum_ip_verifications_total',
        bad: 'Prometheus has no quantum_ip_verifications_total',
        next: 'scrape the gateways: docs/guides/operations.md',
      }),
      lookRow('alerts-loaded', rules.includes('QuantumIp'), {
        good: 'the alerts are loaded, each with its runbook',
        bad: 'none of the alerts is loaded',
        next: 'deploy/prometheus/alerting.rules.yaml: docs/guides/alerting.md',
      }),
      lookRow('alerts-delivered', list(managers, 'activeAlertmanagers').length > 0, {
        good: 'Prometheus has an Alertmanager',
        bad: 'Prometheus knows no Alertmanager: nobody is woken',
        next: '`alerting` in prometheus.yml: docs/guides/alerting.md',
      }),
    ]
  } catch (error) {
    return [
      { name: 'metrics-scraped', outcome: 'open', seen: messageOf(error), next: 'is --prometheus right?' },
    ]
  }
}

function lookRow(
  name: string,
  holds: boolean,
  { good, bad, next }: { readonly good: string; readonly bad: string; readonly next: string },
): ChecklistRow {
  return holds ? { name, outcome: 'ok', seen: good } : { name, outcome: 'fail', seen: bad, next }
}

async function ask(url: string): Promise<JsonObject> {
  const { statusCode, body } = await request(url, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  const text = await body.text()
  if (statusCode !== 200) throw new TypeError(`${statusCode} of ${new URL(url).host}`)
  return (JSON.parse(text) as { readonly data: JsonObject }).data
}

function list(data: JsonObject, name: string): readonly unknown[] {
  const value = data[name]
  return Array.isArray(value) ? value : []
}
