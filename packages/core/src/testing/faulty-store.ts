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
} from '../storage/task-store.ts'
import type { StoredError } from '../errors/stored-error.ts'

/** What a store can be asked to do. */
export type StoreOperation = keyof TaskStore

/** What a call of an operation is given. */
export type StoreArgs<Operation extends StoreOperation> = Parameters<
  NonNullable<TaskStore[Operation]>
>

/** Which calls a fault meets. */
export interface FaultOptions<Operation extends StoreOperation> {
  /** Only calls with such arguments. @default any */
  readonly when?: (...args: StoreArgs<Operation>) => boolean
  /** So many of these pass first. @default 0 */
  readonly skip?: number
  /** And so many are met. @default 1 */
  readonly times?: number
}

/** A call that is held up. */
export interface HeldCall {
  /** Settles when the call has come to where it is held. */
  readonly reached: Promise<void>
  /** Lets it go on. May be called before the call comes. */
  release(): void
}

/** What a fault does before the store is asked, and after it has answered. */
interface Fault {
  readonly matches: (args: readonly unknown[]) => boolean
  skip: number
  left: number
  readonly before?: () => unknown
  readonly after?: () => unknown
}

/**
 * A store around another that fails, hangs and remembers as a test asks: what a broken connection, a slow server or a full
 * disk does to whoever uses it. A fault is either *before* (the store was never asked) or *after* (it did it, and the
 * answer was lost).
 */
export class FaultyStore<Tx = never> implements TaskStore<Tx> {
  readonly #store: TaskStore<Tx>
  readonly #faults = new Map<StoreOperation, Fault[]>()
  readonly #calls = new Map<StoreOperation, (readonly unknown[])[]>()
  readonly #listeners = new Set<(error: unknown) => void>()
  #mute = false
  /** Present where the store has it. */
  readonly exchange?: NonNullable<TaskStore<Tx>['exchange']>

  constructor(store: TaskStore<Tx>) {
    this.#store = store
    const exchange = store.exchange?.bind(store)
    if (exchange !== undefined) {
      this.exchange = (...args) => this.#run('exchange', args, () => exchange(...args))
    }
  }

  /** Makes calls of the operation fail before they reach the store. */
  failBefore<Operation extends StoreOperation>(
    operation: Operation,
    error: unknown = new Error('connection refused'),
    options: FaultOptions<Operation> = {},
  ): void {
    this.#add(operation, options, { before: () => fail(error) })
  }

  /** Makes calls of the operation fail after the store has carried them out. */
  failAfter<Operation extends StoreOperation>(
    operation: Operation,
    error: unknown = new Error('connection reset'),
    options: FaultOptions<Operation> = {},
  ): void {
    this.#add(operation, options, { after: () => fail(error) })
  }

  /** Holds calls of the operation up before they reach the store. */
  holdBefore<Operation extends StoreOperation>(
    operation: Operation,
    options: FaultOptions<Operation> = {},
  ): HeldCall {
    const { wait, held } = hold()
    this.#add(operation, options, { before: wait })
    return held
  }

  /** Holds the store's answers to calls of the operation up. */
  holdAfter<Operation extends StoreOperation>(
    operation: Operation,
    options: FaultOptions<Operation> = {},
  ): HeldCall {
    const { wait, held } = hold()
    this.#add(operation, options, { after: wait })
    return held
  }

  /** The arguments of every call of the operation so far, those that failed included. */
  calls<Operation extends StoreOperation>(operation: Operation): readonly StoreArgs<Operation>[] {
    // Only `#run` writes here, and its callers give it the arguments of the operation.
    return (this.#calls.get(operation) ?? []) as unknown as readonly StoreArgs<Operation>[]
  }

  /** How many subscriptions stand. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** From now on signals are lost, or arrive again. */
  mute(on = true): void {
    this.#mute = on
  }

  /** Breaks every subscription, as a lost connection does. */
  endListening(error: unknown = new Error('connection reset')): void {
    for (const end of Array.from(this.#listeners)) end(error)
  }

  insert(
    queue: string,
    rows: readonly NewRow[],
    options: InsertOptions<Tx> = {},
  ): Promise<readonly Inserted[]> {
    return this.#run('insert', [queue, rows, options], () =>
      this.#store.insert(queue, rows, options),
    )
  }

  register(worker: StoreWorker): Promise<void> {
    return this.#run('register', [worker], () => this.#store.register(worker))
  }

  claim(worker: WorkerRef, limit: number, options: ClaimOptions): Promise<Claimed> {
    return this.#run('claim', [worker, limit, options], () =>
      this.#store.claim(worker, limit, options),
    )
  }

  settle(
    worker: WorkerRef,
    settlements: readonly StoreSettlement[],
    options: { readonly within?: Tx } = {},
  ): Promise<readonly StoreSettled[]> {
    return this.#run('settle', [worker, settlements, options], () =>
      this.#store.settle(worker, settlements, options),
    )
  }

  beat(worker: WorkerRef): Promise<StoreBeat> {
    return this.#run('beat', [worker], () => this.#store.beat(worker))
  }

  rescue(queue: string, limit: number, options: RescueOptions): Promise<readonly Rescued[]> {
    return this.#run('rescue', [queue, limit, options], () =>
      this.#store.rescue(queue, limit, options),
    )
  }

  leave(worker: WorkerRef): Promise<void> {
    return this.#run('leave', [worker], () => this.#store.leave(worker))
  }

  listen(
    onSignal: (signal: StoreSignal) => void,
    onEnd?: (error: unknown) => void,
  ): Promise<AsyncDisposable> {
    return this.#run('listen', [onSignal, onEnd], async () => {
      let open = true
      const subscription = await this.#store.listen((signal) => {
        if (open && !this.#mute) onSignal(signal)
      }, onEnd)
      const dispose = async (): Promise<void> => {
        open = false
        this.#listeners.delete(end)
        await subscription[Symbol.asyncDispose]()
      }
      const end = (error: unknown): void => {
        void dispose()
        onEnd?.(error)
      }
      this.#listeners.add(end)
      return { [Symbol.asyncDispose]: dispose }
    })
  }

  watch(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#run('watch', [queue, ids], () => this.#store.watch(queue, ids))
  }

  get(queue: string, ids: readonly string[]): Promise<readonly (Row | undefined)[]> {
    return this.#run('get', [queue, ids], () => this.#store.get(queue, ids))
  }

  list(queue: string, filter: ListFilter): Promise<readonly Row[]> {
    return this.#run('list', [queue, filter], () => this.#store.list(queue, filter))
  }

  count(queue: string): Promise<Counts> {
    return this.#run('count', [queue], () => this.#store.count(queue))
  }

  queues(): Promise<readonly QueueState[]> {
    return this.#run('queues', [], () => this.#store.queues())
  }

  workers(queue?: string): Promise<readonly WorkerRow[]> {
    return this.#run('workers', [queue], () => this.#store.workers(queue))
  }

  update(queue: string, id: string, changes: RowChanges): Promise<Changed> {
    return this.#run('update', [queue, id, changes], () => this.#store.update(queue, id, changes))
  }

  kill(queue: string, id: string, error: StoredError): Promise<boolean> {
    return this.#run('kill', [queue, id, error], () => this.#store.kill(queue, id, error))
  }

  take(queue: string, id: string): Promise<boolean> {
    return this.#run('take', [queue, id], () => this.#store.take(queue, id))
  }

  retry(queue: string, id: string, options: { readonly resetAttempts: boolean }): Promise<Retried> {
    return this.#run('retry', [queue, id, options], () => this.#store.retry(queue, id, options))
  }

  remove(queue: string, id: string): Promise<Changed> {
    return this.#run('remove', [queue, id], () => this.#store.remove(queue, id))
  }

  pause(queue: string, on: boolean): Promise<void> {
    return this.#run('pause', [queue, on], () => this.#store.pause(queue, on))
  }

  purge(queue: string, options: PurgeOptions): Promise<number> {
    return this.#run('purge', [queue, options], () => this.#store.purge(queue, options))
  }

  close(): Promise<void> {
    return this.#run('close', [], async () => this.#store.close?.())
  }

  #add<Operation extends StoreOperation>(
    operation: Operation,
    { when = () => true, skip = 0, times = 1 }: FaultOptions<Operation>,
    effect: Pick<Fault, 'before' | 'after'>,
  ): void {
    const fault: Fault = {
      // The arguments are those of the operation, which is what the faults are kept by.
      matches: (args) => when(...(args as StoreArgs<Operation>)),
      skip,
      left: times,
      ...effect,
    }
    const faults = this.#faults.get(operation)
    if (faults === undefined) this.#faults.set(operation, [fault])
    else faults.push(fault)
  }

  async #run<Value>(
    operation: StoreOperation,
    args: readonly unknown[],
    call: () => Promise<Value>,
  ): Promise<Value> {
    const calls = this.#calls.get(operation)
    if (calls === undefined) this.#calls.set(operation, [args])
    else calls.push(args)
    const fault = this.#meet(operation, args)
    // Without a fault the store is asked before this returns, as whoever calls within a transaction relies on.
    if (fault?.before !== undefined) await fault.before()
    const value = await call()
    await fault?.after?.()
    return value
  }

  #meet(operation: StoreOperation, args: readonly unknown[]): Fault | undefined {
    for (const fault of this.#faults.get(operation) ?? []) {
      if (fault.left === 0 || !fault.matches(args)) continue
      if (fault.skip > 0) {
        fault.skip -= 1
        continue
      }
      fault.left -= 1
      return fault
    }
    return undefined
  }
}

function fail(error: unknown): never {
  throw error
}

function hold(): { readonly wait: () => Promise<void>; readonly held: HeldCall } {
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  return {
    wait: () => {
      reached.resolve()
      return released.promise
    },
    held: { reached: reached.promise, release: () => released.resolve() },
  }
}
