import type { Config, EngineConfig } from '@quantum-ip/http'
import { openOpaServer, openOpaWasm } from '@quantum-ip/opa'
import { type FactName, factNames, isFactName, type PolicyEngine } from '@quantum-ip/policy'
import { engineObserver, type Metrics } from '@quantum-ip/telemetry'
import { nearest } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { readBytes, readText } from '../lib/files.ts'

/** The engines of a configuration that policies may ask, by name. */
export interface EnginesPart {
  readonly engines: ReadonlyMap<string, PolicyEngine>
  close(): Promise<void>
}

const moduleBytesMax = 16 * 1_048_576

/**
 * Opens the engines of a configuration. Servers need not be there yet.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_USAGE` for a fact that is none
 * @throws {OpaError} `QIP_OPA_MODULE_INVALID` · `QIP_OPA_OPTION_INVALID`
 */
export async function openEnginesPart(config: Config, metrics: Metrics): Promise<EnginesPart> {
  const engines = new Map<string, PolicyEngine>()
  const close = async (): Promise<void> => {
    await Promise.all([...engines.values()].map((engine) => engine.close()))
  }
  try {
    for (const one of config.policies.engines) engines.set(one.name, await openEngine(one, metrics))
  } catch (error) {
    await close()
    throw error
  }
  return { engines, close }
}

async function openEngine({ name, opa }: EngineConfig, metrics: Metrics): Promise<PolicyEngine> {
  const asked = {
    path: opa.path,
    facts: opa.facts?.map((fact) => factNamed(fact, name)),
    onAnswer: engineObserver({ metrics }),
  }
  if (opa.kind === 'wasm') {
    const bytes = await readBytes({ path: opa.file, what: 'policy in WebAssembly', bytesMax: moduleBytesMax })
    return openOpaWasm({ ...asked, module: new Uint8Array(bytes), file: opa.file })
  }
  const { url, timeoutMs, inFlightMax, cacheMs, cacheMax, caFile } = opa
  const ca = caFile === undefined ? undefined : await readText({ path: caFile, what: 'certificate' })
  return openOpaServer({ ...asked, url, ca, timeoutMs, inFlightMax, cacheMs, cacheMax })
}

function factNamed(text: string, engine: string): FactName {
  if (isFactName(text)) return text
  const near = nearest(text, factNames)
  throw new CliError('QIP_CLI_USAGE', {
    reason: `the engine \`${engine}\` of the configuration is sent \`${text}\`, which is no fact`,
    next: near === undefined ? 'see the reference of facts' : `did you mean \`${near}\`?`,
  })
}
