/** Policy documents, and the engines that they may ask. */
export interface PoliciesConfig {
  readonly files: readonly string[]
  /** Names of policies that come from the authority. None of them is also in a file. */
  readonly authority: readonly string[]
  readonly engines: readonly EngineConfig[]
}

/** An engine beside CEL. */
export interface EngineConfig {
  readonly name: string
  readonly opa: OpaConfig
}

/** An Open Policy Agent: a server or compiled Rego. */
export type OpaConfig = {
  /** The document that decides. */
  readonly path: string
  /** Names of the facts that are sent; absent: all. */
  readonly facts: readonly string[] | undefined
} & (
  | {
      readonly kind: 'server'
      readonly url: string
      readonly caFile: string | undefined
      readonly timeoutMs: number
      readonly inFlightMax: number
      /** 0: answers are not kept. */
      readonly cacheMs: number
      readonly cacheMax: number
    }
  | { readonly kind: 'wasm'; readonly file: string }
)
