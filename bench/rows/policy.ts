// policy_decide: one decision of a policy with seven rules in CEL, beside the same policy in Rego: compiled to WebAssembly, and on an OPA server.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openOpaServer, openOpaWasm } from '@quantum-ip/opa'
import { asksEngine, decide, decideWith, type Facts, type PolicyEngine } from '@quantum-ip/policy'
import { celPolicy, drawFacts, regoPolicy, regoText } from '../../packages/platform/opa/test/same-policy.ts'
import { needComponent, openComponent, runComponent } from '../../scripts/real-components.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'

const asked = drawFacts(2_000).filter((facts) => asksEngine(regoPolicy, facts))

/** Decisions of CEL in microseconds; those of OPA as multiples, where the program can be had. */
export async function policyDecide(): Promise<Rows> {
  const cel = await median(() => asked.forEach((facts) => void decide(celPolicy, facts)), 60)
  const opa = await needComponent('opa')
  const others = opa.skip === false ? await besideOpa(opa) : undefined
  return {
    policy_decide: {
      value: round(cel),
      unit: 'us',
      bar: '<= 5 us',
      reached: cel <= 5,
      ...(others !== undefined && {
        detail: {
          'wasm us': round(others.wasm),
          'server us': round(others.server),
          'wasm to CEL': round(others.wasm / cel),
          'server to CEL': round(others.server / cel),
        },
      }),
    },
  }
}

/** The median time of one decision, in microseconds. */
async function median(all: () => unknown, runs: number): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    await all()
    times.push(((performance.now() - started) * 1_000) / asked.length)
  }
  return percentile(times, 0.5)
}

async function besideOpa(opa: Awaited<ReturnType<typeof needComponent>>) {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-opa-'))
  const file = join(folder, 'policy.rego')
  const bundle = join(folder, 'bundle.tar.gz')
  try {
    await writeFile(file, regoText)
    await runComponent(opa, ['build', '-t', 'wasm', '-e', 'quantum_ip/decision', '-o', bundle, file])
    await runComponent(await needComponent('tar'), ['-xzf', bundle, '-C', folder, '/policy.wasm'])
    const module = new Uint8Array(await readFile(join(folder, 'policy.wasm')))
    const path = 'quantum_ip/decision'
    const wasm = await perDecision(await openOpaWasm({ module, file, path }), 5)
    const url = 'http://127.0.0.1:18181'
    const args = [
      'run',
      '--server',
      '--addr',
      url.slice(7),
      '--log-level',
      'error',
      '--disable-telemetry',
      file,
    ]
    const isReady = () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    await using _server = await openComponent(opa, args, { isReady })
    const server = await perDecision(openOpaServer({ url, path, timeoutMs: 10_000 }), 3)
    return { wasm, server }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// One after the other: what a request waits for, not what a server can do at once.
async function perDecision(engine: PolicyEngine, runs: number): Promise<number> {
  const engines = new Map([['central', engine]])
  const one = (facts: Facts) => decideWith(regoPolicy, facts, engines)
  const us = await median(async () => {
    for (const facts of asked) await one(facts)
  }, runs)
  await engine.close()
  return us
}
