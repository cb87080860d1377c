import type { CustodyConfig } from '@quantum-ip/http'
import { findAuthority } from './find-authority.ts'

/** The custody of a configuration: of the file named, of `quantum-ip.yaml` in this folder, or the defaults. */
export async function custodyConfig(file: string | undefined): Promise<CustodyConfig> {
  const { config } = await findAuthority(file === undefined ? {} : { config: file })
  if (config !== undefined) return config.custody
  const { parseConfig } = await import('@quantum-ip/http')
  return parseConfig('', 'quantum-ip.yaml').custody
}
