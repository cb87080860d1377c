// The types of WebAssembly stand in TypeScript's library for browsers only, with all the rest of it: here is what is used.

/** A compiled module. */
export type WasmModule = object

/** Memory that host and module share. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

interface WasmEngine {
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule>
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown }
}

/** The engine of this process. */
export const webAssembly: WasmEngine = (globalThis as unknown as { readonly WebAssembly: WasmEngine })
  .WebAssembly
