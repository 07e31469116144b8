import {
  circuitBreaker,
  concurrency,
  type Layer,
  mapError,
  MemoryStorage,
  rateLimit,
  retry,
  tap,
  timeout,
  WorkerBuilder,
} from '@apalis/core'
import type { Contender, Suite } from '../contender.ts'
import { numbered } from '../numbers.ts'

/** Says that it bounds what is in flight and does nothing, so that the worker adds no limit of its own. */
const nothing: Layer = Object.assign<Layer, { boundsInFlight: true }>((inner) => inner, {
  boundsInFlight: true,
})

/** So many that the claims are as large as without. */
const PLENTY = 1_000_000_000

const layers: Readonly<Record<string, () => Layer>> = {
  'bare handler': () => (inner) => inner,
  concurrency: () => concurrency(1_000),
  rateLimit: () => rateLimit({ limit: PLENTY, burst: PLENTY }),
  circuitBreaker: () => circuitBreaker(),
  'circuitBreaker, by rate': () => circuitBreaker({ rate: 0.5 }),
  mapError: () => mapError((error) => error),
  tap: () => tap({ result: () => undefined }),
  retry: () => retry(),
  timeout: () => timeout('30s'),
}

function contender(name: string, layer: () => Layer): Contender {
  return {
    name,
    package: '@apalis/core',
    async run(tasks, _, deliveries) {
      const queue = new MemoryStorage().queue<{ readonly index: number }>('bench')
      await queue.pushStream(numbered(tasks))
      const worker = new WorkerBuilder('bench')
        .backend(queue)
        .layer(nothing)
        .layer(layer())
        .build(async ({ index }) => deliveries.run(index))
      // What the thread spent, not what passed: a layer is a small part of a task, and less than the noise of other processes.
      const before = process.threadCpuUsage()
      const running = worker.run()
      await deliveries.all
      worker.stop()
      await running
      const { user, system } = process.threadCpuUsage(before)
      return { value: (user + system) / tasks }
    },
  }
}

/** What a layer around a no-op async handler costs: time of the thread for tasks that are there already, until all have ended. */
export const layerCosts: Suite = {
  contenders: Object.entries(layers).map(([name, layer]) => contender(name, layer)),
  compared: ['bare handler'],
  unit: 'µs/task',
  tasks: 200_000,
  rounds: 5,
}
