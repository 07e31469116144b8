import type { Backend, Settled, Settlement } from '../../src/backend/backend.ts'
import { taskStream } from '../../src/backend/task-stream.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import type { Task } from '../../src/task/task.ts'

/** A task that is in nobody's storage. */
export function looseTask<Args>(args: Args, attempts = 3): Task<Args> {
  const { parts } = new TaskBuilder(args).attempts(attempts).build()
  return { args, parts: { ...parts, attempt: { current: 1, max: attempts }, context: {} } }
}

/** A source of tasks of one's own, which hears of every outcome. */
export class ListBackend<Args> implements Backend<Args> {
  readonly name = 'list'
  readonly settled: Settlement[] = []
  /** Taken from the source. */
  taken = 0
  readonly #tasks: readonly (Task<Args> | undefined)[]
  readonly #endless: boolean

  constructor(
    args: readonly (Args | undefined)[],
    { endless = true }: { readonly endless?: boolean } = {},
  ) {
    this.#tasks = args.map((one) => (one === undefined ? undefined : looseTask(one)))
    this.#endless = endless
  }

  poll(): ReturnType<Backend<Args>['poll']> {
    return taskStream(this.#source(), {
      release: async (unstarted) => {
        this.taken -= unstarted.length
      },
    })
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    this.settled.push(...settlements)
    return settlements.map(() => 'applied')
  }

  async *#source(): AsyncGenerator<Task<Args> | undefined> {
    for (const task of this.#tasks) {
      if (task !== undefined) this.taken += 1
      yield task
    }
    // Waits for good, as a queue without work does.
    if (this.#endless) await new Promise(() => {})
  }
}
