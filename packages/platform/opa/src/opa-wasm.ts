import { basename } from 'node:path'
import { parseJson } from '@quantum-ip/base'
import type { EngineAnswer, Facts, PolicyEngine } from '@quantum-ip/policy'
import { answerOf, malformed } from './opa-answer.ts'
import { OpaError } from './opa-errors.ts'
import { OpaInput } from './opa-input.ts'
import { type OpaOptions, checkPath } from './opa-options.ts'
import { RegoModule } from './rego-module.ts'

/** Rego that `opa build -t wasm` compiled. */
export interface OpaWasmOptions extends OpaOptions {
  /** The bytes of `policy.wasm`, out of the bundle. */
  readonly module: Uint8Array<ArrayBuffer>
  /** For messages. */
  readonly file: string
}

/**
 * Opens an engine that runs compiled Rego in this process. It answers at once, and cannot be interrupted: what it takes
 * is what the policy takes.
 *
 * @throws {OpaError} `QIP_OPA_OPTION_INVALID` · `QIP_OPA_MODULE_INVALID`: no module, without the entry point, or one that needs built-in
 * functions of a host
 */
export async function openOpaWasm(options: OpaWasmOptions): Promise<PolicyEngine> {
  const { module: bytes, file, path } = options
  checkPath(path)
  const refuse = (reason: string, next: string, cause?: unknown): OpaError => {
    return new OpaError('QIP_OPA_MODULE_INVALID', { file: basename(file), reason, next }, { cause })
  }
  const made = await RegoModule.load(bytes).catch((cause: unknown) => {
    throw refuse(
      'it cannot be loaded',
      'build it with `opa build -t wasm -e quantum_ip/decision`, and take `policy.wasm` out of the bundle',
      cause,
    )
  })
  const [builtin] = made.builtins
  if (builtin !== undefined) {
    throw refuse(
      `it calls \`${builtin}\`, which nobody provides here`,
      'decide over facts alone, or ask a server',
    )
  }
  const entry = made.entrypoints.get(path)
  if (entry === undefined) {
    const known = [...made.entrypoints.keys()].map((name) => `\`${name}\``).join(', ')
    throw refuse(`it has no entry point \`${path}\``, known === '' ? 'build it with `-e`' : `it has ${known}`)
  }
  return new OpaWasm(options, made, entry)
}

class OpaWasm implements PolicyEngine {
  readonly #made: RegoModule
  readonly #entry: number
  readonly #input: OpaInput
  readonly #onAnswer: NonNullable<OpaOptions['onAnswer']>

  constructor(options: OpaWasmOptions, made: RegoModule, entry: number) {
    this.#made = made
    this.#entry = entry
    this.#input = new OpaInput(options.facts)
    this.#onAnswer = options.onAnswer ?? (() => {})
  }

  ask(facts: Facts): EngineAnswer {
    const answer = this.#evaluate(this.#input.text(facts))
    this.#onAnswer(answer.kind === 'unavailable' ? answer.fault : answer.kind)
    return answer
  }

  #evaluate(input: string): EngineAnswer {
    let text: string
    try {
      text = this.#made.evaluate(this.#entry, input)
    } catch {
      return { kind: 'unavailable', fault: 'failed' }
    }
    return resultIn(text)
  }

  async close(): Promise<void> {}
}

// A set of results, each with its value: [{"result": …}]; empty where the document is undefined.
function resultIn(text: string): EngineAnswer {
  const json = parseJson(text)
  if (!Array.isArray(json) || json.length > 1) return malformed
  const [first] = json
  if (first === undefined) return answerOf(undefined)
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return malformed
  return answerOf(first['result'])
}
