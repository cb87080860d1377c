// The body of cases that every enforcement point runs, against a service of each framework.
import { runCases } from '../../enforce/test/support/cases.ts'
import { listeners, openHandingOn } from './support/handing-on.ts'

for (const [framework, open] of Object.entries(listeners)) {
  runCases(`${framework}: the shared body of cases`, (world) => openHandingOn(world, open))
}
