// The ABI of Rego compiled to WebAssembly, 1.2 and later: https://www.openpolicyagent.org/docs/wasm. Addresses are offsets into the memory that the
// host provides; values are JSON, texts end with a zero byte.
import { type Json, parseJson } from '@quantum-ip/base'
import { type WasmMemory, type WasmModule, webAssembly } from './web-assembly.ts'

interface Exports {
  readonly opa_malloc: (size: number) => number
  readonly opa_json_parse: (address: number, size: number) => number
  readonly opa_json_dump: (value: number) => number
  readonly opa_heap_ptr_get: () => number
  readonly builtins: () => number
  readonly entrypoints: () => number
  /** Evaluates in one call; returns the address of the results as JSON. */
  // oxlint-disable-next-line max-params -- the ABI has them
  readonly opa_eval: (
    reserved: 0,
    entrypoint: number,
    data: number,
    input: number,
    inputSize: number,
    heap: number,
    format: 0,
  ) => number
}

const pageBytes = 65_536
/** 2 MiB at first; the module of a policy asks for less. */
const pagesMin = 32
/** 64 MiB: more than any decision needs, and an end to one that does not. */
const pagesMax = 1_024

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

interface Running {
  readonly exports: Exports
  readonly memory: WasmMemory
  /** The value of `data`: empty, for what is compiled brings its own. */
  readonly data: number
  /** Where the heap of an evaluation begins: all before it stays. */
  readonly heap: number
}

/** A loaded module: one memory, one evaluation at a time. */
export class RegoModule {
  readonly #module: WasmModule
  #running: Running
  /** Functions that the host would have to provide, by name. */
  readonly builtins: readonly string[]
  /** What can be evaluated, by path. */
  readonly entrypoints: ReadonlyMap<string, number>

  private constructor(module: WasmModule, running: Running) {
    this.#module = module
    this.#running = running
    this.builtins = [...numbersOf(running, running.exports.builtins()).keys()]
    this.entrypoints = numbersOf(running, running.exports.entrypoints())
  }

  /** @throws {Error} for bytes that are no such module. */
  static async load(bytes: Uint8Array<ArrayBuffer>): Promise<RegoModule> {
    const module = await webAssembly.compile(bytes)
    return new RegoModule(module, start(module))
  }

  /**
   * Evaluates an entry point over an input; returns the results as JSON.
   *
   * @throws {Error} if the evaluation ends in a trap or an abort. The next one runs in a fresh instance.
   */
  evaluate(entrypoint: number, input: string): string {
    try {
      return evaluate(this.#running, entrypoint, input)
    } catch (error) {
      // What is left in the memory of an evaluation that was cut off nobody knows.
      this.#running = start(this.#module)
      throw error
    }
  }
}

function absent(): never {
  throw new Error('a built-in function of a host')
}

function start(module: WasmModule): Running {
  const memory = new webAssembly.Memory({ initial: pagesMin, maximum: pagesMax })
  const env = {
    memory,
    opa_abort(address: number): never {
      throw new Error(textAt(memory, address))
    },
    opa_println: () => {},
    opa_builtin0: absent,
    opa_builtin1: absent,
    opa_builtin2: absent,
    opa_builtin3: absent,
    opa_builtin4: absent,
  }
  // The engine of JavaScript has checked that every import is there; which exports there are is looked at here.
  const exports = new webAssembly.Instance(module, { env }).exports as Exports
  if (typeof exports.opa_eval !== 'function')
    throw new Error('it lacks `opa_eval`: built by an OPA before 0.27')
  const address = exports.opa_malloc(2)
  new Uint8Array(memory.buffer).set(encoder.encode('{}'), address)
  const data = exports.opa_json_parse(address, 2)
  if (data === 0) throw new Error('no memory')
  return { exports, memory, data, heap: exports.opa_heap_ptr_get() }
}

function evaluate({ exports, memory, data, heap }: Running, entrypoint: number, input: string): string {
  const bytes = encoder.encode(input)
  const lacking = heap + bytes.length - memory.buffer.byteLength
  if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes))
  new Uint8Array(memory.buffer).set(bytes, heap)
  // The heap of this evaluation begins behind its input: nothing is left of the last one.
  const result = exports.opa_eval(0, entrypoint, data, heap, bytes.length, heap + bytes.length, 0)
  return textAt(memory, result)
}

function numbersOf({ exports, memory }: Running, value: number): ReadonlyMap<string, number> {
  const json: Json = parseJson(textAt(memory, exports.opa_json_dump(value)))
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return new Map()
  return new Map(
    Object.entries(json).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  )
}

function textAt(memory: WasmMemory, address: number): string {
  const bytes = new Uint8Array(memory.buffer)
  const end = bytes.indexOf(0, address)
  return decoder.decode(bytes.subarray(address, end < 0 ? bytes.length : end))
}
