import { isAcceptable, type SigningKeyRecord, type TrustStore } from '@quantum-ip/trust'
import { type HeldKey, type HeldState, stateFormat } from '../script/state.ts'

/** What the state says besides what the store holds. */
export interface StatePartOptions {
  readonly generation: string
  readonly staleAfterMs: number
  readonly revoked: HeldState['revoked']
}

/** The part `state` of what a store holds; `undefined` as long as it holds no state that is complete. */
export function statePart(store: TrustStore, options: StatePartOptions): string | undefined {
  const { state, bundle, root, td } = store
  if (state === undefined || bundle === undefined || root === undefined) return undefined
  const held: HeldState = {
    format: stateFormat,
    td,
    generation: options.generation,
    timeMs: state.timeMs,
    staleAfterMs: options.staleAfterMs,
    untilS: Math.min(root.expires, bundle.expires),
    epoch: store.epoch,
    revoked: options.revoked,
    keys: Object.fromEntries(issuers(store).map((record) => [keyIdText(record), heldKey(store, record)])),
  }
  return JSON.stringify(held)
}

/** The issuing keys of token logs: one for each log, never its Ed25519 companion. */
export function issuers(store: TrustStore): readonly SigningKeyRecord[] {
  return store.keysOf('qip-token').filter(({ key, keyId, log, state }) => {
    return key.alg !== 'Ed25519' && keyId !== undefined && log !== undefined && state !== 'planned'
  })
}

/** A C2SP key ID in 8 hexadecimal digits. */
export function keyIdText({ keyId = 0 }: SigningKeyRecord): string {
  return keyId.toString(16).padStart(8, '0')
}

function heldKey(store: TrustStore, record: SigningKeyRecord): HeldKey {
  const { log = '', key } = record
  const from = store.revocations.keyRevokedFrom(key.kid, log)
  const completeFrom = store.headsCompleteFrom(log)
  return {
    log,
    // What counts stays apart from what is compromised: a hop's key may have retired.
    state: isAcceptable(record) || record.state === 'compromised' ? record.state : 'retired',
    revokedFrom: Number.isFinite(from) ? from : -1,
    size: store.logSize(log),
    completeFrom: Number.isFinite(completeFrom) ? completeFrom : -1,
  }
}
