import type { Backend } from '../../backend/backend.ts'
import { acknowledge } from '../../layers/acknowledge.ts'
import { circuitBreaker } from '../../layers/circuit-breaker.ts'
import { concurrency } from '../../layers/concurrency.ts'
import { filter, type Verdict } from '../../layers/filter.ts'
import { loadShed } from '../../layers/load-shed.ts'
import { rateLimit } from '../../layers/rate-limit.ts'
import { retry } from '../../layers/retry.ts'
import { timeout } from '../../layers/timeout.ts'
import type { Layer } from '../../service/service.ts'
import { use } from '../../service/use.ts'
import { constant } from '../../task/backoff.ts'
import type { QueueContext } from '../../task/task.ts'
import type { BoundWorkerBuilder } from '../../worker/worker-builder.ts'

/** What the tasks of a simulation carry. */
export interface SimulatedJob {
  readonly n: number
}

/** The builder of a simulated worker. */
export type SimulatedBuilder = BoundWorkerBuilder<SimulatedJob, number, {}, QueueContext>

/** What a stack may use. */
export interface StackTools {
  /** What the worker would have for its backend. */
  readonly queue: Backend<SimulatedJob, number, QueueContext>
  /** Chance that repeats itself with the seed, from 0 up to, but not, 1. */
  readonly random: () => number
  /** The same value for all workers of a process that have this stack. */
  readonly shared: <Value>(make: () => Value) => Value
}

/** What a simulated worker is made of. */
export interface SimulatedStack {
  /** For the log. */
  readonly name: string
  /** The most handlers that may run at once: in a worker, or in all workers of a process where `shared`. */
  readonly limit: number
  /** Whether the workers of a process share the limit. @default false */
  readonly shared?: boolean
  /** Whether it calls the handler again in the same run when that fails. @default false */
  readonly again?: boolean
  /** Whether it claims also what it then refuses. @default false */
  readonly sheds?: boolean
  /** Outermost first. */
  readonly layers: (tools: StackTools) => readonly Layer[]
  /** Steps of the worker's builder that are more than a layer, inside of the layers. @default none */
  readonly steps?: (
    tools: StackTools,
  ) => readonly ((builder: SimulatedBuilder) => SimulatedBuilder)[]
  /** What the worker gets for its backend. @default the queue itself */
  readonly backend?: (tools: StackTools) => Backend<SimulatedJob, number, QueueContext>
}

/** The stacks that workers get unless others are given: what core has, alone and one inside the other. */
export const coreStacks: readonly SimulatedStack[] = [
  { name: 'plain', limit: 10, layers: () => [] },
  { name: 'one', limit: 1, layers: () => [concurrency(1)] },
  { name: 'three', limit: 3, layers: () => [concurrency(3)] },
  { name: 'timed', limit: 3, layers: () => [concurrency(3), timeout(700)] },
  {
    name: 'timed outside',
    limit: 2,
    layers: () => [timeout('1s', { grace: 300 }), concurrency(2)],
  },
  { name: 'twice', limit: 2, layers: () => [concurrency(4), passing, concurrency(2)] },
  {
    name: 'shared',
    limit: 2,
    shared: true,
    layers: ({ shared }) => [shared(() => concurrency(2))],
  },
  {
    name: 'throwing',
    limit: 4,
    layers: ({ random }) => [throwing(random), concurrency(4), throwing(random)],
  },
  {
    name: 'limited',
    limit: 3,
    layers: () => [concurrency(3), rateLimit({ limit: 6, per: '1s' })],
  },
  {
    name: 'breaking',
    limit: 4,
    layers: () => [circuitBreaker({ failures: 3, recovery: '1s' }), concurrency(4)],
  },
  {
    name: 'retrying',
    limit: 3,
    again: true,
    layers: () => [concurrency(3), retry({ times: 2, backoff: constant(60) })],
  },
  { name: 'shedding', limit: 2, sheds: true, layers: () => [loadShed(), concurrency(2)] },
  {
    name: 'filtering',
    limit: 3,
    layers: ({ random }) => [filter(() => verdict(random())), concurrency(3)],
  },
  {
    name: 'acknowledging',
    limit: 3,
    layers: ({ random }) => [concurrency(3), acknowledging(random), timeout('2s')],
  },
]

const passing: Layer = use(async function passing(_request, next) {
  return next()
})

/** Throws now and then, before what stands inside it or instead of its result. */
function throwing(random: () => number): Layer {
  return use(async function throwing(_request, next) {
    if (random() < 0.08) throw new Error('the layer does not let it in')
    const passed = await next()
    if (random() < 0.08) throw new Error('the layer does not let it out')
    return passed
  })
}

function verdict(draw: number): Verdict {
  if (draw < 0.08) return { release: 300 }
  return draw < 0.1 ? { kill: 'it is not wanted' } : true
}

function acknowledging(random: () => number): Layer {
  return acknowledge(() => {
    if (random() < 0.1) throw new Error('nobody acknowledges this')
  })
}
