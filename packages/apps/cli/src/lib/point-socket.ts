import { join } from 'node:path'
import type { Config } from '@quantum-ip/http'

/** Where the operators' socket of an enforcement point is: beside its snapshot, under its name. */
export function pointSocket({ trust, gateway }: Config): string {
  return join(trust.snapshotDirectory, `${gateway.name}.sock`)
}
