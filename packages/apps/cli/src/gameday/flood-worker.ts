// Sends requests as fast as answers come, over many connections, from a thread of its own: what measures the others must not wait.
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

/** What is sent. */
export interface FloodPlan {
  readonly url: string
  readonly fields: Readonly<Record<string, string>>
  readonly connections: number
}

if (parentPort === null) throw new TypeError('the flood runs as a worker thread')
const port = parentPort
const { url, fields, connections } = workerData as FloodPlan
const agent = new Agent({ keepAlive: true, maxSockets: connections })
const statuses: Record<string, number> = {}
let isOver = false

port.on('message', () => {
  isOver = true
  agent.destroy()
  port.postMessage(statuses)
  port.close()
})

for (let connection = 0; connection < connections; connection++) send()

function send(): void {
  if (isOver) return
  const sent = request(url, { agent, headers: fields }, (answer) => {
    const status = String(answer.statusCode)
    statuses[status] = (statuses[status] ?? 0) + 1
    answer.resume()
    answer.once('close', send)
  })
  sent.once('error', () => {
    if (!isOver) setTimeout(send, 50)
  })
  sent.end()
}
