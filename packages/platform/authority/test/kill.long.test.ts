import { test } from 'node:test'
import { runKills } from './kill/run-kills.ts'

const kills = Number(process.env['QIP_KILLS'] ?? 50)

test(`after each of ${kills} kills under load the log verifies whole, and every token is provable`, (t) =>
  runKills(kills, t))
