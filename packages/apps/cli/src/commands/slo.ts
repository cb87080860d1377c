import { budgetPeriodMs, levelStanding, serviceLevel } from '@quantum-ip/telemetry'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, several } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { LevelSource } from '../lib/level-source.ts'
import { nodeLevels } from '../lib/node-levels.ts'
import { prometheusLevels } from '../lib/prometheus-levels.ts'
import { levelsJson, showLevels, type StandingLevel } from '../lib/slo-text.ts'

interface SloOptions extends AuthorityOptions {
  readonly service?: readonly string[]
  readonly prometheus?: string
}

/** `qip slo`: error budgets and how fast they burn. */
export function sloCommand(run: Run): Command {
  const slo = newAnswer('slo', 'show error budgets and how fast they burn, for each enforced service')
    .option('--service <id>', 'only this service (several)', several)
    .option('--prometheus <url>', 'ask a Prometheus server instead of the processes that run here')
  return withAuthority(slo).action((options: SloOptions) =>
    answer(run, options, async (output) => {
      const nowMs = Date.now()
      const { prometheus } = options
      const source = prometheus === undefined ? await nodeLevels(options) : await prometheusLevels(prometheus)
      const levels = standings(source, options, nowMs)
      output.show(levelsJson(source, levels), () => showLevels(output, { source, levels, nowMs }))
    }),
  )
}

function standings(source: LevelSource, { service }: SloOptions, nowMs: number): readonly StandingLevel[] {
  const known = new Set(source.levels.map((level) => level.service))
  const unknown = service?.find((each) => !known.has(each))
  if (unknown !== undefined) {
    throw new CliError('QIP_CLI_NOT_FOUND', {
      what: `enforced service \`${unknown.slice(0, 512)}\` among those that are counted`,
      next: '`qip services` shows the services with their stage: levels count once a service is `enforced`',
    })
  }
  const coveredMs = source.sinceMs === undefined ? budgetPeriodMs : nowMs - source.sinceMs
  return source.levels
    .filter(
      (level) => service === undefined || (level.service !== undefined && service.includes(level.service)),
    )
    .map(({ id, service: of, shares }) => {
      const level = serviceLevel(id)
      return { level, service: of, standing: levelStanding(level, shares, coveredMs) }
    })
}
