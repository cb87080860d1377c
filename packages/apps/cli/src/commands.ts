import type { Command } from 'commander'
import type { Run } from './lib/io.ts'

/** A command of `qip`: what the overview says of it, and where it is. */
export interface CommandRow {
  readonly summary: string
  readonly load: () => Promise<(run: Run) => Command>
}

/**
 * Every command, in the order of the overview. Only the one that is called is loaded: what a command needs, nobody else waits for.
 */
export const commands: Readonly<Record<string, CommandRow>> = {
  up: {
    summary: 'start everything in one process',
    load: async () => (await import('./commands/up.ts')).upCommand,
  },
  serve: {
    summary: 'run one role: authority, gateway, …',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  sidecar: {
    summary: 'run beside a service: verify its callers, attach tokens to its calls',
    load: async () => (await import('./commands/sidecar.ts')).sidecarCommand,
  },
  'edge-state': {
    summary: 'keep the trust state for nginx and edge workers',
    load: async () => (await import('./commands/edge-state.ts')).edgeStateCommand,
  },
  attest: {
    summary: 'sign a build and log the attestation',
    load: async () => (await import('./commands/attest.ts')).attestCommand,
  },
  verify: {
    summary: 'verify a build, offline from its evidence or online',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  token: {
    summary: 'issue, inspect and verify tokens',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  ledger: {
    summary: 'look into logs, prove entries, verify whole logs',
    load: async () => (await import('./commands/ledger.ts')).ledgerCommand,
  },
  revoke: {
    summary: 'revoke a key, identity, build, token or range of tokens',
    load: async () => (await import('./commands/revoke.ts')).revokeCommand,
  },
  keys: {
    summary: 'list the keys of the trust domain, rotate them, take a rotation back',
    load: async () => (await import('./commands/keys.ts')).keysCommand,
  },
  'join-token': {
    summary: 'make a join token, with which one workload is admitted once',
    load: async () => (await import('./commands/join-token.ts')).joinTokenCommand,
  },
  fleet: {
    summary: 'show who follows the trust state, how far each one is, and who blocks',
    load: async () => (await import('./commands/fleet.ts')).fleetCommand,
  },
  explain: {
    summary: 'say why a request was decided as it was',
    load: async () => (await import('./commands/explain.ts')).explainCommand,
  },
  investigate: {
    summary: 'the timeline of a build, service, key, decision or token, and what speaks against it',
    load: async () => (await import('./commands/investigate.ts')).investigateCommand,
  },
  decisions: {
    summary: 'list decisions that enforcement points reported',
    load: async () => (await import('./commands/decisions.ts')).decisionsCommand,
  },
  events: {
    summary: 'list, show and follow security events',
    load: async () => (await import('./commands/events.ts')).eventsCommand,
  },
  incident: {
    summary: 'open, note, close and report on incidents',
    load: async () => (await import('./commands/incident.ts')).incidentCommand,
  },
  window: {
    summary: 'declare times in which alerts are not wanted',
    load: async () => (await import('./commands/window.ts')).windowCommand,
  },
  services: {
    summary: 'list the declared services with owner, tier and stage',
    load: async () => (await import('./commands/services.ts')).servicesCommand,
  },
  slo: {
    summary: 'error budgets and how fast they burn',
    load: async () => (await import('./commands/slo.ts')).sloCommand,
  },
  sampling: {
    summary: 'show, raise or lower the share of deep checks in the fleet',
    load: async () => (await import('./commands/sampling.ts')).samplingCommand,
  },
  config: {
    summary: 'check and show the configuration',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  backup: {
    summary: 'back up the authority while it runs; verify a backup',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  restore: {
    summary: 'restore a backup, all of it checked first',
    load: async () => (await import('./commands/restore.ts')).restoreCommand,
  },
  policy: {
    summary: 'write, test, publish, promote and take back policies',
    load: async () => (await import('./commands/policy.ts')).policyCommand,
  },
  doctor: {
    summary: 'send probes through the real path: what is lost, and at which hop',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  gameday: {
    summary: 'failure drills on processes of its own: detection, remedy, recovery',
    load: async () => (await import('./commands/gameday.ts')).gamedayCommand,
  },
  conformance: {
    summary: 'answer test vectors, one JSON line each',
    load: async () => (await import('./commands/conformance.ts')).conformanceCommand,
  },
  bench: {
    summary: "this machine's figures against peers, as ratios",
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
}
