import type { Backend } from '../../src/backend/backend.ts'
import { MonitorError } from '../../src/errors/worker-errors.ts'
import type { Event } from '../../src/service/events.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A clock that stands still, and a storage and workers that live by it. */
export class Lab {
  readonly clock: TestClock = new TestClock()
  readonly storage: MemoryStorage = new MemoryStorage({ clock: this.clock })

  /** A worker on the queue of its own name. */
  worker(
    name: string,
    handler: (args: number, signal: AbortSignal) => unknown = () => undefined,
  ): Worker<number, unknown> {
    return new WorkerBuilder(name)
      .backend(this.storage.queue<number>(name))
      .build((args, { signal }) => handler(args, signal))
  }

  /** A worker whose first claim fails for good. */
  failing(name: string, message = 'the source is gone'): Worker<never, unknown> {
    return this.sick(name, async () => {
      throw new Error(message)
    })
  }

  /** A worker that ends when `next` rejects. */
  sick<Args>(name: string, next: ReturnType<Backend<Args>['poll']>['next']): Worker<Args, unknown> {
    const backend: Backend<Args> = {
      name: `source of ${name}`,
      clock: this.clock,
      poll: () => ({ next, close: async () => {} }),
    }
    return new WorkerBuilder(name)
      .backend(backend)
      .onBackendError(() => 'end')
      .build(() => undefined)
  }
}

/** What a run rejected with, as the messages of its workers' errors. */
export async function failuresOf(run: Promise<void>): Promise<string[]> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return []
  if (error instanceof MonitorError) return error.errors.map(({ message }) => message)
  throw error
}

/** The operation and the error's text of an event that has them. */
export function failureOf(event: Event): string | undefined {
  return event.type === 'error' && 'operation' in event
    ? `${event.worker} ${event.operation}: ${event.error instanceof Error ? event.error.message : String(event.error)}`
    : undefined
}
