import { BackendError, isBackendError } from '../errors/backend-errors.ts'
import type { StoredError } from '../errors/stored-error.ts'
import { isLeaseLostError } from '../errors/task-errors.ts'
import { OptionError } from '../internal/validate.ts'
import type { Clock } from '../time/clock.ts'
import type {
  Changed,
  Claimed,
  ClaimOptions,
  Counts,
  Inserted,
  InsertOptions,
  ListFilter,
  NewRow,
  PurgeOptions,
  QueueState,
  Rescued,
  RescueOptions,
  Retried,
  Row,
  RowChanges,
  StoreBeat,
  StoreSettled,
  StoreSettlement,
  StoreSignal,
  StoreWorker,
  TaskStore,
  WorkerRef,
  WorkerRow,
} from './task-store.ts'

/** How a {@link GuardedStore} guards. */
export interface GuardOptions {
  readonly clock: Clock
  /** How long a call may take. */
  readonly timeoutMs: number
}

/**
 * A store whose calls end: each within its timeout, and with a `BackendError` when it fails (transient with unknown effect
 * unless the store says otherwise). `LeaseLostError` and `OptionError` pass unchanged, as the contract names them. After
 * `close` every call is refused. Calls in a caller's transaction are not timed: that time is the caller's to bound, and a
 * statement given up halfway would go on in the caller's own connection.
 */
export class GuardedStore<Tx = never> implements TaskStore<Tx> {
  readonly #store: TaskStore<Tx>
  readonly #clock: Clock
  readonly #timeoutMs: number
  #closing: Promise<void> | undefined
  /** Present where the store has it. */
  readonly exchange?: NonNullable<TaskStore<Tx>['exchange']>

  constructor(store: TaskStore<Tx>, { clock, timeoutMs }: GuardOptions) {
    this.#store = store
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    if (store.exchange !== undefined) {
      this.exchange = (worker, settlements, limit, options) =>
        this.#timed(
          'exchange',
          // Asked for at each call, so that `this` is the store's own.
          () => store.exchange?.(worker, settlements, limit, options) ?? missing('exchange'),
        )
    }
  }

  insert(
    queue: string,
    rows: readonly NewRow[],
    options: InsertOptions<Tx> = {},
  ): Promise<readonly Inserted[]> {
    const call = (): Promise<readonly Inserted[]> => this.#store.insert(queue, rows, options)
    return options.within === undefined ? this.#timed('insert', call) : this.#own('insert', call)
  }

  register(worker: StoreWorker): Promise<void> {
    return this.#timed('register', () => this.#store.register(worker))
  }

  claim(worker: WorkerRef, limit: number, options: ClaimOptions): Promise<Claimed> {
    return this.#timed('claim', () => this.#store.claim(worker, limit, options))
  }

  settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    options: { readonly within?: Tx } = {},
  ): Promise<readonly StoreSettled[]> {
    const call = (): Promise<readonly StoreSettled[]> =>
      this.#store.settle(worker, settlements, options)
    return options.within === undefined ? this.#timed('settle', call) : this.#own('settle', call)
  }

  beat(worker: WorkerRef): Promise<StoreBeat> {
    return this.#timed('beat', () => this.#store.beat(worker))
  }

  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return this.#timed('rescue', () => this.#store.rescue(queue, limit, options))
  }

  leave(worker: WorkerRef): Promise<void> {
    return this.#timed('leave', () => this.#store.leave(worker))
  }

  async listen(
    onSignal: (signal: StoreSignal) => boolean | void,
    onEnd?: (error: unknown) => void,
  ): Promise<AsyncDisposable> {
    const call = (): Promise<AsyncDisposable> => this.#store.listen(onSignal, onEnd)
    const subscription = await this.#timed('listen', call, dispose)
    return {
      // After `close`, too: one that was on its way by then would never be ended.
      [Symbol.asyncDispose]: () =>
        this.#bounded('stop listening', async () => subscription[Symbol.asyncDispose]()),
    }
  }

  watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#timed('watch', () => this.#store.watch(queue, ids))
  }

  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#timed('get', () => this.#store.get(queue, ids))
  }

  list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    return this.#timed('list', () => this.#store.list(queue, filter))
  }

  count(queue: string): Promise<Counts> {
    return this.#timed('count', () => this.#store.count(queue))
  }

  queues(): Promise<readonly QueueState[]> {
    return this.#timed('list queues', () => this.#store.queues())
  }

  workers(queue?: string): Promise<readonly WorkerRow[]> {
    return this.#timed('list workers', () => this.#store.workers(queue))
  }

  update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return this.#timed('update', () => this.#store.update(queue, id, changes))
  }

  kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return this.#timed('kill', () => this.#store.kill(queue, id, error))
  }

  take(queue: string, id: string): Promise<boolean> {
    return this.#timed('take', () => this.#store.take(queue, id))
  }

  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried> {
    return this.#timed('retry', () => this.#store.retry(queue, id, options))
  }

  remove(queue: string, id: string): Promise<Changed> {
    return this.#timed('remove', () => this.#store.remove(queue, id))
  }

  pause(queue: string, on: boolean): Promise<void> {
    return this.#timed(on ? 'pause' : 'resume', () => this.#store.pause(queue, on))
  }

  purge(queue: string, options: PurgeOptions): Promise<number> {
    return this.#timed('purge', () => this.#store.purge(queue, options))
  }

  /** Closes the store, once; refuses every call from now on. */
  close(): Promise<void> {
    this.#closing ??= this.#timed('close', async () => this.#store.close?.())
    return this.#closing
  }

  /** `late` is given what comes after the timeout. */
  #timed<Value>(
    operation: string,
    call: () => Promise<Value>,
    late?: (value: Value) => void,
  ): Promise<Value> {
    if (this.#closing !== undefined) return Promise.reject(closed(operation))
    return this.#bounded(operation, call, late)
  }

  #bounded<Value>(
    operation: string,
    call: () => Promise<Value>,
    late?: (value: Value) => void,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      let open = true
      const timer = this.#clock.setTimer(() => {
        open = false
        reject(new BackendError(operation, `no answer within ${this.#timeoutMs} ms`))
      }, this.#timeoutMs)
      const end = (): boolean => {
        timer.cancel()
        const first = open
        open = false
        return first
      }
      attempt(call).then(
        (value) => {
          if (end()) resolve(value)
          else late?.(value)
        },
        (error: unknown) => {
          if (end()) reject(backendError(operation, error))
        },
      )
    })
  }

  /** In the caller's transaction: begun before this returns, and never given up. */
  #own<Value>(operation: string, call: () => Promise<Value>): Promise<Value> {
    if (this.#closing !== undefined) return Promise.reject(closed(operation))
    return attempt(call).catch((error: unknown) => {
      throw backendError(operation, error)
    })
  }
}

/** A store of someone else's may throw where it should reject. */
function attempt<Value>(call: () => Promise<Value>): Promise<Value> {
  return new Promise((resolve) => {
    resolve(call())
  })
}

function backendError(operation: string, error: unknown): Error {
  if (isBackendError(error) || isLeaseLostError(error) || error instanceof OptionError) return error
  return BackendError.from(operation, error)
}

function closed(operation: string): BackendError {
  return new BackendError(operation, 'the storage is closed', { transient: false, applied: 'no' })
}

function missing(operation: string): never {
  throw new BackendError(operation, 'the store has it no longer', {
    transient: false,
    applied: 'no',
  })
}

function dispose(subscription: AsyncDisposable): void {
  // Nobody waits for a subscription that came too late; that it cannot be ended either changes nothing.
  subscription[Symbol.asyncDispose]().then(undefined, () => undefined)
}
