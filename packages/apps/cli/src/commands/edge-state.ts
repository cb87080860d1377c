import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openTrustFollower } from '@quantum-ip/client'
import { type Config, readConfigFile } from '@quantum-ip/http'
import { edgeScript, type EdgeScriptKind, openEdgeStateWriter } from '@quantum-ip/inproxy'
import { TrustStore } from '@quantum-ip/trust'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { Output, OutputOptions } from '../lib/output.ts'
import { untilStopped } from '../lib/until-stopped.ts'
import { tellFollower } from '../up/follower-text.ts'
import { openMemberLink } from '../up/member-link.ts'

interface EdgeStateOptions extends OutputOptions {
  readonly config: string
  readonly out?: string
  readonly joinTokenFile?: string
  readonly script?: string
}

/** `qip edge-state`: keeps a folder up to date from which nginx and edge workers check tokens by themselves. */
export function edgeStateCommand(run: Run): Command {
  return newAnswer(
    'edge-state',
    'keep the trust state in a folder, for nginx and edge workers that verify by themselves',
  )
    .option('--config <file>', 'the configuration', 'quantum-ip.yaml')
    .option('--out <folder>', 'where the state is kept: a folder that only this process writes into')
    .option('--join-token-file <file>', 'a join token of role `verifier`, for the first start')
    .option('--script <kind>', 'print the script that reads the folder, `nginx` or `worker`, and end')
    .action((options: EdgeStateOptions) =>
      answer(run, options, (output) => {
        return options.script === undefined ? keep(output, options) : printScript(output, options.script)
      }),
    )
}

function printScript(output: Output, kind: string): void {
  if (kind !== 'nginx' && kind !== 'worker') {
    throw new CliError('QIP_CLI_USAGE', {
      reason: `there is no script for \`${kind}\``,
      next: 'use `--script nginx` or `--script worker`',
    })
  }
  const script = edgeScript(kind satisfies EdgeScriptKind)
  output.show({ kind, script }, () => output.line(script.trimEnd()))
}

async function keep(output: Output, options: EdgeStateOptions): Promise<void> {
  if (options.out === undefined) {
    throw new CliError('QIP_CLI_USAGE', {
      reason: '`--out` is missing',
      next: 'name the folder: `qip edge-state --out /run/quantum-ip`',
    })
  }
  const directory = resolve(options.out)
  const config = ofItsOwn(await readConfigFile(options.config))
  const { joinTokenFile } = options
  const joinToken = joinTokenFile === undefined ? undefined : (await readFile(joinTokenFile, 'utf8')).trim()
  await using opened = new AsyncDisposableStack()
  const link = await openMemberLink(config, joinToken)
  opened.defer(() => link.close())
  const store = new TrustStore({ td: config.trustDomain, pins: link.pins })
  const point = config.gateway.name
  const { staleAfterMs, snapshotDirectory } = config.trust
  const tell = (text: string): void => output.note(text)
  opened.use(
    await openTrustFollower({
      session: link.session,
      store,
      point,
      region: config.region,
      snapshotFile: join(snapshotDirectory, `${point}.snapshot`),
      staleAfterMs,
      onEvent: (event) => tellFollower(event, tell),
    }),
  )
  const onError = (error: Error): void => tell(`edge state: ${error.message}`)
  opened.use(await openEdgeStateWriter({ store, directory, staleAfterMs, onError }))
  output.show({ directory, seq: store.state?.seq ?? null }, () =>
    output.line(`the state of ${config.trustDomain} is kept in ${directory}`),
  )
  await untilStopped()
}

// A gateway with the same configuration has a session and a snapshot of its own.
function ofItsOwn(config: Config): Config {
  return { ...config, gateway: { ...config.gateway, name: `${config.gateway.name}-edge-state` } }
}
