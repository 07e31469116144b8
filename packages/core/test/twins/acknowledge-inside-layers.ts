import type { Outcome } from '../../src/backend/backend.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { around } from '../../src/service/around.ts'
import type { Layer, TaskRequest } from '../../src/service/service.ts'
import { use } from '../../src/service/use.ts'
import type { StackTools } from '../../src/testing/simulation/stacks.ts'
import type { StackTwin } from './stack-twin.ts'

/** The outcome is written by the innermost layer: what a layer outside it throws is written by nobody. */
export const acknowledgeInsideLayers: StackTwin = {
  name: 'acknowledgement inside user layers',
  invariants: ['nothing lost', 'recovery'],
  stack: {
    name: 'acknowledged inside',
    limit: 3,
    // To the worker, outcomes are events only.
    backend: ({ queue }) => ({
      name: queue.name,
      ...(queue.codec !== undefined && { codec: queue.codec }),
      ...(queue.clock !== undefined && { clock: queue.clock }),
      poll: (worker) => queue.poll(worker),
      heartbeat: (worker, signal) => queue.heartbeat?.(worker, signal) ?? never(),
    }),
    layers: ({ queue, random }) => [refusing(random), concurrency(3), settling(queue)],
  },
}

function refusing(random: () => number): Layer {
  return use(async function refusing(_request, next) {
    if (random() < 0.1) throw new Error('the layer does not let it in')
    return next()
  })
}

function settling(queue: StackTools['queue']): Layer {
  return (inner) =>
    around(inner, async (request) => {
      try {
        const result = await inner.call(request)
        // What the handler of a simulation gives back.
        await settle(queue, request, { type: 'done', result: result as number })
        return result
      } catch (error) {
        const { current, max } = request.task.parts.attempt
        const over: Outcome<never> = { type: 'killed', error }
        await settle(
          queue,
          request,
          current >= max ? over : { type: 'failed', error, retryIn: 100 },
        )
        throw error
      }
    })
}

async function settle(
  queue: StackTools['queue'],
  { task }: TaskRequest,
  outcome: Outcome<number>,
): Promise<void> {
  await queue.settle?.([{ task, outcome }]).catch(() => undefined)
}

async function* never(): AsyncGenerator<never> {}
