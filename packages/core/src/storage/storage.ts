import type { Codec } from '../codec/codec.ts'
import { BackendError } from '../errors/backend-errors.ts'
import { anObject, func, knownKeys, OptionError, text } from '../internal/validate.ts'
import { checkClock, type Clock, systemClock } from '../time/clock.ts'
import { type Duration, durationMs } from '../time/duration.ts'
import type { ListQueues, ListWorkers, QueueInfo, WorkerInfo } from './capabilities.ts'
import type { RetentionMs } from './claims-deps.ts'
import type { Enrich } from './enrichment.ts'
import { GuardedStore } from './guarded-store.ts'
import { Lanes } from './lanes.ts'
import { Listener } from './listener.ts'
import type { ProcessScope } from './process-scope.ts'
import { Queue } from './queue.ts'
import { listQueues, listWorkers, SHORTEST_LEASE_MS } from './queue-administration.ts'
import { checkQueueOptions, type QueueOptions } from './queue-options.ts'
import type { QueueShared, StorageSettings } from './queue-shared.ts'
import type { TaskStore } from './task-store.ts'
import { Waiters } from './waiters.ts'

/** How long finished tasks are kept. */
export interface Retention {
  /** False: for ever. @default '7d' */
  readonly done?: Duration | false
  /** False: for ever. @default '30d' */
  readonly killed?: Duration | false
}

/** What all queues of a storage share. */
export interface StorageOptions {
  /** Where the time of timeouts, polls and workers comes from. @default systemClock */
  readonly clock?: Clock
  /** How long a worker is trusted without a beat; it beats every third of it. At least 100 ms. @default '30s' */
  readonly lease?: Duration
  /** How long a call to the storage may take. At least 10 ms. @default '10s' */
  readonly callTimeout?: Duration
  /** Metadata for every push, below what the queue's `enrich` and the push itself give. */
  readonly enrich?: Enrich
  /** How long finished tasks are kept; any worker of a queue purges them. */
  readonly retention?: Retention
  /** How often they are purged. At least 1 s. @default '10m' */
  readonly purgeEvery?: Duration
  /** How long idle workers, and whoever waits for results, look again while no signals arrive. At least 10 ms. @default '5s' */
  readonly safetyPoll?: Duration
  /** @internal What the workers of one process share, for tests that simulate several processes in one. */
  readonly process?: ProcessScope
}

/**
 * Where tasks are kept: queues over a {@link TaskStore}. They share its connections, its one listener and its timers.
 * `Tx` is a transaction of the caller's that tasks can be pushed in; never: the store has none.
 */
export class Storage<in Tx = never> implements ListQueues, ListWorkers, AsyncDisposable {
  readonly #store: GuardedStore<Tx>
  readonly #settings: StorageSettings
  readonly #listener: Listener
  readonly #shared = new Map<string, QueueShared<Tx>>()
  #closing: Promise<void> | undefined

  constructor(store: TaskStore<Tx>, options: StorageOptions = {}) {
    this.#settings = checkStorageOptions(options)
    checkStore(store)
    const { clock, callTimeoutMs } = this.#settings
    this.#store = new GuardedStore(store, { clock, timeoutMs: callTimeoutMs })
    this.#listener = new Listener(this.#store, clock)
  }

  /**
   * Throws an `OptionError` for what no storage can use. `own`: the names of further options, which whoever calls checks.
   * For classes that extend this one, before they make or open anything.
   */
  protected static checkOptions(options: StorageOptions, own: readonly string[]): void {
    checkStorageOptions(options, own)
  }

  /**
   * A typed view of a queue: what is pushed to it and what its worker backend is. Asking twice for a name gives two views
   * of the same queue, each with its own options. `name`: text of 1 to 255 bytes.
   */
  queue<In, Args, Result = unknown>(
    name: string,
    options: QueueOptions<In, Args, Result> & { readonly args: Codec<In, Args> },
  ): Queue<In, Args, Result, Tx>
  queue<Args, Result = unknown>(
    name: string,
    options?: QueueOptions<Args, Args, Result>,
  ): Queue<Args, Args, Result, Tx>
  queue<In, Args, Result>(
    name: string,
    options: QueueOptions<In, Args, Result> = {},
  ): Queue<In, Args, Result, Tx> {
    const checked = checkQueueOptions(options)
    return new Queue(this.#share(text('queue name', name)), this.#settings, checked)
  }

  /** @internal A queue of another storage by its rules, but over this store and by this clock: none of its tasks are here. */
  mirror<In, Args, Result>(queue: Queue<In, Args, Result>): Queue<In, Args, Result, Tx> {
    const { storage, settings } = queue.made
    const { clock } = this.#settings
    return new Queue(this.#share(queue.name), { ...storage, clock }, settings)
  }

  /** Every queue that has tasks or is paused. */
  listQueues(): Promise<readonly QueueInfo[]> {
    return listQueues(this.#store)
  }

  /** The registered workers of all queues. */
  listWorkers(): Promise<readonly WorkerInfo[]> {
    return listWorkers(this.#store)
  }

  /**
   * Lets pushes under way end, refuses all calls from then on, ends every wait with an error, and frees what the store
   * holds. Stop the workers first. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #share(queue: string): QueueShared<Tx> {
    let shared = this.#shared.get(queue)
    if (shared === undefined) {
      const { clock, safetyPollMs } = this.#settings
      const core = { queue, store: this.#store, clock, channel: this.#listener.channel(queue) }
      shared = { core, lanes: new Lanes(core), waiters: new Waiters({ ...core, safetyPollMs }) }
      this.#shared.set(queue, shared)
    }
    return shared
  }

  async #close(): Promise<void> {
    const shared = [...this.#shared.values()]
    await Promise.all(shared.map(({ lanes }) => lanes.close()))
    const closed = new BackendError('wait', 'the storage is closed', {
      transient: false,
      applied: 'no',
    })
    for (const { waiters } of shared) waiters.close(closed)
    await this.#listener.close()
    await this.#store.close()
  }
}

const KNOWN = [
  'clock',
  'lease',
  'callTimeout',
  'enrich',
  'retention',
  'purgeEvery',
  'safetyPoll',
] as const satisfies readonly (keyof StorageOptions)[]

function checkStorageOptions(
  options: StorageOptions,
  own: readonly string[] = [],
): StorageSettings {
  const { process, ...named } = anObject('storage', options)
  knownKeys('storage', named, [...own, ...KNOWN])
  const {
    clock = systemClock,
    lease = '30s',
    callTimeout = '10s',
    enrich,
    retention = {},
    purgeEvery = '10m',
    safetyPoll = '5s',
  } = named
  if (enrich !== undefined) func('storage.enrich', enrich)
  return {
    clock: checkClock('storage.clock', clock),
    leaseMs: durationMs('storage.lease', lease, { min: SHORTEST_LEASE_MS }),
    callTimeoutMs: durationMs('storage.callTimeout', callTimeout, { min: 10 }),
    retention: checkRetention(retention),
    purgeEveryMs: durationMs('storage.purgeEvery', purgeEvery, { min: 1_000 }),
    safetyPollMs: durationMs('storage.safetyPoll', safetyPoll, { min: 10 }),
    enrich,
    scope: process,
  }
}

function checkStore(store: object): void {
  // Typed as a store, but JavaScript passes anything.
  const given: { readonly claim?: unknown } | null = store
  if (typeof given?.claim !== 'function') throw new OptionError('store', store, 'a TaskStore')
}

function checkRetention(retention: Retention): RetentionMs {
  knownKeys('storage.retention', retention, ['done', 'killed'])
  const { done = '7d', killed = '30d' } = retention
  const ms = (option: string, value: Duration | false): number | undefined =>
    value === false ? undefined : durationMs(option, value)
  return {
    done: ms('storage.retention.done', done),
    killed: ms('storage.retention.killed', killed),
  }
}
