// A limit of one's own: a switch that holds back the claims.
// #region limit
import { type Layer, type Obstacle, OverloadedError } from '@apalis/core'
import type { Service, TaskRequest } from '@apalis/core'

/** A switch that lets tasks through, or holds them back in the queue. */
class MaintenanceSwitch {
  #closedFor: string | undefined
  #opened = Promise.withResolvers<void>()

  close(reason: string): void {
    // Who waits already waits for the promise that there is.
    if (this.#closedFor === undefined) this.#opened = Promise.withResolvers()
    this.#closedFor = reason
  }

  open(): void {
    this.#closedFor = undefined
    this.#opened.resolve()
  }

  get closedFor(): string | undefined {
    return this.#closedFor
  }

  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** For `.layer()`; one switch serves any number of workers. */
  get layer(): Layer {
    return Object.assign<Layer, { layerName: string }>((inner) => new SwitchService(inner, this), {
      layerName: 'maintenance',
    })
  }
}

class SwitchService<Req extends TaskRequest, Res> implements Service<Req, Res> {
  readonly #inner: Service<Req, Res>
  readonly #switch: MaintenanceSwitch

  constructor(inner: Service<Req, Res>, maintenance: MaintenanceSwitch) {
    this.#inner = inner
    this.#switch = maintenance
  }

  /** How many more tasks it would take. 0: the worker claims none. */
  capacity(): number {
    return this.#switch.closedFor === undefined ? Infinity : 0
  }

  /** Settles when that is no longer 0: nobody has to ask again and again. */
  async ready(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#switch.opened, aborted])
  }

  /** What `worker.layers` says of it while it is 0. */
  obstacle(): Obstacle {
    return { reason: this.#switch.closedFor ?? '' }
  }

  /** Holds the limit for what was claimed a moment before. */
  call(request: Req): Res | Promise<Res> {
    const reason = this.#switch.closedFor
    // A refusal before the handler began gives the task back without using an attempt.
    if (reason !== undefined) throw new OverloadedError(reason, { retryIn: '1m' })
    return this.#inner.call(request)
  }
}
// #endregion

// #region test
import { MemoryStorage, WorkerBuilder } from '@apalis/core'

const maintenance = new MaintenanceSwitch()
const imports = new MemoryStorage().queue<string>('imports')
const worker = new WorkerBuilder('importer')
  .backend(imports)
  .layer(maintenance.layer)
  .build((file) => console.log(`imported ${file}`))

maintenance.close('the database is being moved')
const running = worker.run()
const id = await imports.push('may.csv')
console.log(worker.context.layers.find(({ name }) => name === 'maintenance'))
maintenance.open()
await imports.result(id)
worker.stop()
await running
// #endregion

// #region unit
import assert from 'node:assert/strict'
import { mockService, testRequest } from '@apalis/core/testing'

const inside = mockService<TaskRequest, string>()
const service = maintenance.layer(inside.service)

maintenance.close('the database is being moved')
assert.equal(service.capacity?.(), 0)
const ready = service.ready?.(new AbortController().signal)
maintenance.open()
await ready
assert.equal(service.capacity?.(), Infinity)

const result = service.call(testRequest('may.csv'))
const call = await inside.request()
call.respond('imported')
assert.equal(await result, 'imported')
// #endregion

// Output:
// {
//   name: 'maintenance',
//   capacity: 0,
//   reason: 'the database is being moved'
// }
// imported may.csv
