import { readFile } from 'node:fs/promises'
import { readConfigFile } from '@quantum-ip/http'
import type { Command } from 'commander'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { untilStopped } from '../lib/until-stopped.ts'
import { configOf } from '../up/point-role.ts'
import { ProcessLevels } from '../up/process-levels.ts'
import { ProcessTelemetry } from '../up/process-telemetry.ts'
import { openSidecarPart } from '../up/sidecar-part.ts'

interface SidecarOptions extends OutputOptions {
  readonly config: string
  readonly joinTokenFile?: string
  readonly verifierTokenFile?: string
}

/** `qip sidecar`: verification and tokens beside one service. */
export function sidecarCommand(run: Run): Command {
  return newAnswer('sidecar', 'run beside a service: verify its callers, attach tokens to its calls')
    .option('--config <file>', 'the configuration', 'quantum-ip.yaml')
    .option('--join-token-file <file>', 'a join token for the service itself, for the first start')
    .option(
      '--verifier-token-file <file>',
      'a join token of role `verifier` for the sidecar, for the first start',
    )
    .action((options: SidecarOptions) => answer(run, options, (output) => sidecar(output, options)))
}

async function sidecar(output: Output, options: SidecarOptions): Promise<void> {
  const config = configOf(await readConfigFile(options.config), 'sidecar')
  const joinTokens = {
    service: await readToken(options.joinTokenFile),
    verifier: await readToken(options.verifierTokenFile),
  }
  await using opened = new AsyncDisposableStack()
  const telemetry = await ProcessTelemetry.open(config, 'quantum-ip-sidecar')
  opened.defer(() => telemetry.close())
  const onEvent = telemetry.lines((text) => output.note(text))
  const part = await openSidecarPart(config, joinTokens, { telemetry, onEvent })
  opened.defer(() => part.close())
  const levels = await ProcessLevels.open(telemetry, config, config.gateway.name)
  opened.defer(() => levels.close())
  const { url, outbound, workloadSocket } = part
  output.show(
    { url: url === '' ? null : url, outbound: outbound === '' ? null : outbound, workloadSocket },
    () => {
      output.line(`the sidecar of ${config.sidecar.service} runs`)
      output.facts([
        url === '' ? undefined : ['callers', url],
        outbound === '' ? undefined : ['calls to others', outbound],
        ['workload API', `unix:${workloadSocket}`],
      ])
    },
  )
  await untilStopped()
}

async function readToken(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : (await readFile(file, 'utf8')).trim()
}
