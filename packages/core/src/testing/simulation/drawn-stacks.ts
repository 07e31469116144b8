import { circuitBreaker } from '../../layers/circuit-breaker.ts'
import { concurrency } from '../../layers/concurrency.ts'
import { loadShed } from '../../layers/load-shed.ts'
import { rateLimit } from '../../layers/rate-limit.ts'
import { retry } from '../../layers/retry.ts'
import { constant } from '../../task/backoff.ts'
import { drawnSteps, type DrawnStep } from './drawn-steps.ts'
import type { SimulatedStack, StackTools } from './stacks.ts'

/** The most handlers at once. */
const LIMIT = 3
/** So many layers beside those that a stack has in any case. */
const MOST_DRAWN = 7

/** Limits that all workers of a process with the same stack may share. */
interface SharedLimits {
  readonly breaker: ReturnType<typeof circuitBreaker>
  readonly rate: ReturnType<typeof rateLimit>
}

function limits(): SharedLimits {
  return {
    breaker: circuitBreaker({ failures: 3, recovery: 700, probes: 2, successes: 2 }),
    rate: rateLimit({ limit: 8, per: '1s', burst: 2 }),
  }
}

/** A stack of layers that the seed draws, in an order that it draws. */
function drawn(name: string, always: Readonly<Record<string, DrawnStep>>): SimulatedStack {
  return {
    name,
    limit: LIMIT,
    layers: () => [],
    steps: (tools) => {
      const { breaker, rate } = tools.random() < 0.3 ? tools.shared(limits) : limits()
      const others: readonly DrawnStep[] = [
        () => (builder) => builder.layer(breaker),
        () => (builder) => builder.layer(rate),
        ...Object.values(drawnSteps),
      ]
      const fixed = [() => bounded, ...Object.values(always)]
      const some = shuffled(others, tools).slice(0, Math.floor(tools.random() * (MOST_DRAWN + 1)))
      return shuffled([...fixed, ...some], tools).map((step) => step(tools))
    },
  }
}

const bounded: ReturnType<DrawnStep> = (builder) => builder.layer(concurrency(LIMIT))
const retried: DrawnStep = () => (builder) =>
  builder.layer(retry({ times: 2, backoff: constant(60), maxWait: 500 }))
const shed: DrawnStep = () => (builder) => builder.layer(loadShed())

/** Stacks that are another one for each worker of each seed. What a layer makes harder to check it has a stack for. */
export const drawnStacks: readonly SimulatedStack[] = [
  drawn('drawn', {}),
  { ...drawn('drawn, retrying', { retried }), again: true },
  { ...drawn('drawn, shedding', { shed }), sheds: true },
  { ...drawn('drawn, retrying and shedding', { retried, shed }), again: true, sheds: true },
]

function shuffled<Item>(items: readonly Item[], { random }: StackTools): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
