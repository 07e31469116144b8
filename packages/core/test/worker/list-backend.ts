import type {
  Backend,
  Outcome,
  Settled,
  Settlement,
  TaskStream,
} from '../../src/backend/backend.ts'
import type { Layer } from '../../src/service/service.ts'
import { newTaskId } from '../../src/task/task-id.ts'
import type { Task } from '../../src/task/task.ts'
import type { Clock } from '../../src/time/clock.ts'

/** What the tasks of a {@link ListBackend} carry beside their arguments. */
export interface ListContext {
  readonly index: number
}

/** A backend that gives out a list of arguments, keeps what was settled, and ends. */
export class ListBackend<Args, Result = unknown> implements Backend<Args, Result, ListContext> {
  readonly name = 'list'
  readonly outcomes: Outcome<Result>[] = []
  readonly clock?: Clock
  readonly #tasks: Task<Args, ListContext>[]
  readonly #layer: Layer | undefined

  constructor(
    args: readonly Args[],
    { layer, clock }: { readonly layer?: Layer; readonly clock?: Clock } = {},
  ) {
    this.#layer = layer
    if (clock !== undefined) this.clock = clock
    this.#tasks = args.map((given, index) => ({
      args: given,
      parts: {
        taskId: newTaskId(0),
        attempt: { current: 1, max: 1 },
        status: 'running',
        runAt: new Date(0),
        metadata: {},
        timeoutMs: undefined,
        context: { index },
      },
    }))
  }

  poll(): TaskStream<Args, ListContext> {
    return {
      next: async (limit) => (this.#tasks.length === 0 ? undefined : this.#tasks.splice(0, limit)),
      close: async () => {},
    }
  }

  async settle(settlements: readonly Settlement<Result>[]): Promise<readonly Settled[]> {
    return settlements.map(({ outcome }) => {
      this.outcomes.push(outcome)
      return 'applied'
    })
  }

  middleware(): Layer {
    return this.#layer ?? ((inner) => inner)
  }
}
