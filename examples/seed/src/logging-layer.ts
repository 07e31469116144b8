// One layer, as a class and as a function.
// #region class
import { type Layer, MemoryStorage, type Service, type TaskRequest } from '@apalis/core'
import { WorkerBuilder } from '@apalis/core'

/** A service that wraps another. */
class LoggingService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>

  constructor(inner: Service<Req, Res>) {
    this.#inner = inner
  }

  /** tower's `poll_ready` as a number: how many more calls it would take now. */
  capacity(ahead?: number): number {
    return this.#inner.capacity?.(ahead) ?? Infinity
  }

  async ready(signal: AbortSignal): Promise<void> {
    await this.#inner.ready?.(signal)
  }

  call(request: Req): Res | Promise<Res> {
    console.log('Processing task:', request.task.args)
    return this.#inner.call(request)
  }
}

/** A layer that wraps services with LoggingService. */
const loggingLayer: Layer = (inner) => new LoggingService(inner)
// #endregion

const numbers = new MemoryStorage().queue<number>('numbers')

// #region use
const worker = new WorkerBuilder('logger')
  .backend(numbers)
  .layer(loggingLayer)
  .use(async (request, next) => {
    console.log(`attempt ${request.attempt} begins`)
    const passed = await next()
    console.log(`attempt ${request.attempt} is over`)
    return passed
  })
  .build((number) => console.log(`handling ${number}`))
// #endregion

const id = await numbers.push(1)
await worker.runUntil(numbers.result(id))

// Output:
// Processing task: 1
// attempt 1 begins
// handling 1
// attempt 1 is over
