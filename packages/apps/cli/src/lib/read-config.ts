import { access } from 'node:fs/promises'
import type { Config } from '@quantum-ip/http'

const configDefault = 'quantum-ip.yaml'

/** The configuration that is named, else that of this folder, else the one that an authority starts with without any. */
export async function readOrDefault(file: string | undefined): Promise<Config> {
  const { parseConfig, readConfigFile } = await import('@quantum-ip/http')
  const exists = await access(configDefault).then(
    () => true,
    () => false,
  )
  if (file !== undefined || exists) return readConfigFile(file ?? configDefault)
  return parseConfig('', configDefault)
}
