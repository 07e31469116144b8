import type { Suite } from './contender.ts'
import { memory } from './memory/contenders.ts'
import { layerCosts } from './memory/layers.ts'
import { analyzed as postgresAnalyzed, burnDown as postgresBurnDown } from './postgres/burn-down.ts'
import { backlog as postgresBacklog } from './postgres/backlog.ts'
import { cancel as postgresCancel } from './postgres/cancel.ts'
import { cycle as postgresCycle } from './postgres/cycle.ts'
import { due as postgresDue } from './postgres/due.ts'
import { four as postgresFour } from './postgres/four.ts'
import { horizon as postgresHorizon } from './postgres/horizon.ts'
import { latency as postgresLatency } from './postgres/latency.ts'
import { bulk as postgresBulk, push as postgresPush } from './postgres/push.ts'
import { rescue as postgresRescue } from './postgres/rescue.ts'
import { burnDown, durability } from './sqlite/burn-down.ts'
import { calls } from './sqlite/calls.ts'
import { due } from './sqlite/due.ts'
import { future } from './sqlite/future.ts'
import { idle } from './sqlite/idle.ts'
import { latency } from './sqlite/latency.ts'
import { push } from './sqlite/push.ts'

/** Every suite by its name. */
export const suites: Readonly<Record<string, Suite>> = {
  memory: {
    contenders: memory,
    compared: ['apalis', 'apalis, pushed in bulk'],
    unit: 'tasks/s',
    // Shorter runs measure how long the compiler takes as well.
    tasks: 1_000_000,
    rounds: 5,
  },
  layers: layerCosts,
  sqlite: burnDown,
  'sqlite-durability': durability,
  'sqlite-push': push,
  'sqlite-latency': latency,
  'sqlite-due': due,
  'sqlite-future': future,
  'sqlite-calls': calls,
  'sqlite-idle': idle,
  postgres: postgresBurnDown,
  'postgres-analyzed': postgresAnalyzed,
  'postgres-push': postgresPush,
  'postgres-bulk': postgresBulk,
  'postgres-cycle': postgresCycle,
  'postgres-latency': postgresLatency,
  'postgres-due': postgresDue,
  'postgres-backlog': postgresBacklog,
  'postgres-horizon': postgresHorizon,
  'postgres-four': postgresFour,
  'postgres-cancel': postgresCancel,
  'postgres-rescue': postgresRescue,
}
