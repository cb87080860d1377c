import { test } from 'node:test'
import { runKills } from './kill/run-kills.ts'

test('after each of 3 kills under load the log verifies whole, and every token is provable', (t) =>
  runKills(3, t))
