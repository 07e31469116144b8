import { toStoredError } from '../errors/stored-error.ts'
import { PoisonError } from '../errors/task-errors.ts'
import { knownKeys, oneOf, OptionError, text } from '../internal/validate.ts'
import { turn } from '../time/clock.ts'
import { durationMs } from '../time/duration.ts'
import type {
  QueueInfo,
  QueueMetrics,
  VacuumOptions,
  WorkerInfo,
  WorkerRegistration,
} from './capabilities.ts'
import { BATCH, type QueueCore } from './queue-core.ts'
import { publishRescued } from './rescued.ts'
import type { TaskStore, WorkerRow } from './task-store.ts'

/** The shortest lease that makes sense: a beat every third of it has to come through. */
export const SHORTEST_LEASE_MS = 100

/** What {@link QueueAdministration} works with. */
export interface QueueAdministrationDeps extends QueueCore {
  readonly leaseMs: number
  readonly maxRescues: number
}

/** What is done to a queue as a whole. */
export class QueueAdministration {
  readonly #deps: QueueAdministrationDeps

  constructor(deps: QueueAdministrationDeps) {
    this.#deps = deps
  }

  /** See `ResumeAbandoned`. */
  async resumeAbandoned(): Promise<number> {
    const { queue, store, channel, maxRescues } = this.#deps
    const poison = toStoredError(new PoisonError(maxRescues))
    let resumed = 0
    for (;;) {
      const rescued = await store.rescue(queue, BATCH, { maxRescues, poison })
      if (rescued.length === 0) return resumed
      publishRescued(queue, rescued)
      resumed += rescued.length
      const killed = rescued.filter(({ outcome }) => outcome === 'killed')
      if (killed.length > 0) {
        channel.emit({ type: 'settled', ids: killed.map(({ row }) => row.id) })
      }
      channel.wake()
      await turn()
    }
  }

  /** See `Vacuum`. */
  async vacuum(options: VacuumOptions = {}): Promise<number> {
    const { queue, store } = this.#deps
    knownKeys('vacuum', options, ['status', 'olderThan'])
    const finished = ['done', 'killed'] as const
    const { status: given, olderThan = 0 } = options
    const which = given === undefined ? finished : [oneOf('vacuum.status', given, finished)]
    const olderThanMs = durationMs('vacuum.olderThan', olderThan)
    let gone = 0
    for (const status of which) {
      for (;;) {
        const purged = await store.purge(queue, { status, olderThanMs, limit: BATCH })
        gone += purged
        if (purged < BATCH) break
        await turn()
      }
    }
    return gone
  }

  /** See `Pause`. */
  async pause(): Promise<void> {
    const { queue, store, channel } = this.#deps
    await store.pause(queue, true)
    channel.emit({ type: 'paused' })
  }

  /** See `Pause`. */
  async resume(): Promise<void> {
    const { queue, store, channel } = this.#deps
    await store.pause(queue, false)
    channel.emit({ type: 'resumed' })
  }

  /** See `Pause`. */
  async isPaused(): Promise<boolean> {
    const { queue, store } = this.#deps
    const queues = await store.queues()
    return queues.some(({ name, paused }) => name === queue && paused)
  }

  /** See `RegisterWorker`. */
  async registerWorker(worker: WorkerRegistration): Promise<void> {
    const { queue, store, leaseMs } = this.#deps
    knownKeys('registerWorker', worker, ['id', 'name', 'lease', 'layers'])
    const { layers = [] } = worker
    if (!Array.isArray(layers)) {
      throw new OptionError('registerWorker.layers', layers, 'an array of names')
    }
    await store.register({
      id: text('registerWorker.id', worker.id),
      name: text('registerWorker.name', worker.name),
      queue,
      leaseMs:
        worker.lease === undefined
          ? leaseMs
          : durationMs('registerWorker.lease', worker.lease, { min: SHORTEST_LEASE_MS }),
      layers: layers.map((layer: unknown) => text('registerWorker.layers', layer)),
    })
  }

  /** See `ListWorkers`. */
  listWorkers(): Promise<readonly WorkerInfo[]> {
    return listWorkers(this.#deps.store, this.#deps.queue)
  }

  /** See `ListQueues`. */
  listQueues(): Promise<readonly QueueInfo[]> {
    return listQueues(this.#deps.store)
  }

  /** See `Metrics`. */
  async metrics(): Promise<QueueMetrics> {
    const { queue, store } = this.#deps
    const [counts, paused, workers] = await Promise.all([
      store.count(queue),
      this.isPaused(),
      store.workers(queue),
    ])
    const { pending, running, done, failed, killed, due, oldestDueMs } = counts
    return {
      pending,
      running,
      done,
      failed,
      killed,
      due,
      oldestDueMs,
      paused,
      workers: workers.filter(({ live }) => live).length,
    }
  }
}

/** The registered incarnations of one queue, or of all. */
export async function listWorkers(store: TaskStore, queue?: string): Promise<WorkerInfo[]> {
  return (await store.workers(queue)).map(workerInfo)
}

/** Every queue that has tasks or is paused. */
export async function listQueues(store: TaskStore): Promise<QueueInfo[]> {
  return (await store.queues()).map(({ name, paused }) => ({ name, paused }))
}

function workerInfo(row: WorkerRow): WorkerInfo {
  const { id, name, queue, layers, leaseMs, live, held } = row
  return {
    id,
    name,
    queue,
    layers,
    startedAt: new Date(row.startedAt),
    lastBeatAt: new Date(row.lastBeatAt),
    leaseMs,
    live,
    held,
  }
}
