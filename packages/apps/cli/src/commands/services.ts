import { AnswerReader } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askJson } from '../lib/ask-json.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, tone } from '../lib/output.ts'
import { textOf } from '../lib/text-of.ts'

const servicesMax = 10_000
const operation = 'the services'

/** `qip services`: what is declared, and who owns it. */
export function servicesCommand(run: Run): Command {
  const services = newAnswer('services', 'list the declared services with owner, tier and stage')
  return withAuthority(services).action((options: AuthorityOptions) =>
    answer(run, options, async (output) => {
      const json = await askJson(options, { operation, method: 'GET', target: '/v1/services' })
      output.show(json, () => {
        const listed = new AnswerReader(json, operation).objects('services', servicesMax)
        if (listed.length === 0) {
          output.line(tone('warn', 'none'), 'is declared: alerts of all services go to whoever is on call')
          output.line('  next:', 'list them under `services` of the configuration')
          return
        }
        output.table(
          ['service', 'owner', 'tier', 'stage'],
          listed.map((service) => [
            service.text('id'),
            ownerCell(textOf(service, 'owner')),
            service.text('tier'),
            stageCell(service.text('stage')),
          ]),
        )
      })
    }),
  )
}

function ownerCell(owner: string): Cell {
  return owner === '' ? tone('warn', 'nobody') : owner
}

/** Service levels count enforced services only. */
function stageCell(stage: string): Cell {
  return stage === 'enforced' ? tone('good', stage) : tone('dim', stage)
}
