import type { Row, TaskStore } from '../../storage/task-store.ts'
import type { StoreArgs, StoreOperation } from '../faulty-store.ts'
import type { History } from './history.ts'
import { type Actor, Leases } from './leases.ts'
import { Runs } from './runs.ts'
import { isOver, type StoredTask } from './stored-task.ts'
import { StoredTasks } from './stored-tasks.ts'
import { Unstarted } from './unstarted.ts'

type Answer<Operation extends StoreOperation> = Awaited<
  ReturnType<NonNullable<TaskStore[Operation]>>
>

/** What a call that was applied means to the checks. */
type Checks = {
  readonly [Operation in StoreOperation]?: (
    args: StoreArgs<Operation>,
    answer: Answer<Operation>,
    actor: Actor,
  ) => void
}

/** What the checks of a simulation need. */
export interface CheckerDeps {
  readonly history: History
  /** The storage's clock. */
  readonly storageNow: () => number
  readonly maxRescues: number
  readonly callTimeoutMs: number
}

/** Holds what happens against the invariants: every call that a storage has applied, and every run of a handler. */
export class Checker {
  readonly leases: Leases
  readonly runs: Runs
  readonly unstarted: Unstarted
  readonly #deps: CheckerDeps
  readonly #queues = new Map<string, StoredTasks>()
  readonly #checks: Checks
  #latest = 0

  constructor(deps: CheckerDeps) {
    this.#deps = deps
    this.leases = new Leases(deps.history, deps.storageNow)
    this.runs = new Runs(deps.history, this.leases, deps.maxRescues)
    this.unstarted = new Unstarted(deps.history, this.leases, deps.callTimeoutMs)
    this.#checks = this.#checksOfCalls()
  }

  /** What the storage has said of a queue. */
  queue(name: string): StoredTasks {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = new StoredTasks({
        ...this.#deps,
        leases: this.leases,
        latest: () => this.#latest,
        runOf: (id, epoch) => this.runs.endOf(name, id, epoch),
        onRevoked: (id, epoch, how) => {
          this.runs.revoked({ queue: name, id, epoch })
          this.unstarted.revoked(name, { id, epoch })
          if (how === 'taken') this.runs.pardoned(name, id, false)
        },
        onAnew: (id) => this.runs.forget(name, id),
        onRetried: (id) => this.runs.pardoned(name, id, true),
      })
      this.#queues.set(name, queue)
    }
    return queue
  }

  /** Every task that was ever stored. */
  tasks(): readonly StoredTask[] {
    return [...this.#queues.values()].flatMap((queue) => queue.all())
  }

  /** Those that have not ended. */
  unfinished(): readonly StoredTask[] {
    return this.tasks().filter((task) => !isOver(task))
  }

  /** A storage has applied a call of the process and gave this answer, whether it arrives or not. */
  applied(actor: Actor, operation: string, args: readonly unknown[], answer: unknown): void {
    this.#latest = Math.max(this.#latest, this.#deps.storageNow())
    // Arguments and answer are those of the operation: they went through the store's method of that name.
    const check = this.#checks[operation as StoreOperation] as
      | ((args: readonly unknown[], answer: unknown, actor: Actor) => void)
      | undefined
    check?.(args, answer, actor)
  }

  /** Compares with everything that a queue's storage lists. */
  audit(queue: string, rows: readonly Row[]): void {
    this.queue(queue).audit(rows)
  }

  #checksOfCalls(): Checks {
    return {
      insert: ([queue, rows], answers) => this.queue(queue).inserted(rows, answers),
      register: ([worker], _answer, actor) => this.leases.registered(worker, worker, actor),
      claim: ([worker, limit, { suspects }], claimed) =>
        this.queue(worker.queue).claimed(worker, limit, suspects, claimed),
      settle: ([worker, settlements], answers) =>
        this.queue(worker.queue).settled(worker, settlements, answers),
      exchange: ([worker, settlements, limit, { suspects }], { settled, claimed }) => {
        this.queue(worker.queue).settled(worker, settlements, settled)
        this.queue(worker.queue).claimed(worker, limit, suspects, claimed)
      },
      beat: ([worker], beat) => {
        this.leases.renewed(worker.id)
        this.queue(worker.queue).beaten(worker, beat)
      },
      leave: ([worker]) => {
        this.leases.ended(worker.id)
        this.queue(worker.queue).left(worker.id)
      },
      rescue: ([queue], rescued) => {
        for (const task of this.queue(queue).rescued(rescued)) this.#checkPoison(queue, task)
      },
      kill: ([queue, id], did) => this.queue(queue).killed(id, did),
      take: ([queue, id], did) => this.queue(queue).taken(id, did),
      retry: ([queue, id, { resetAttempts }], answer) =>
        this.queue(queue).retried(id, answer, resetAttempts),
      remove: ([queue, id], { changed }) => this.queue(queue).removed(id, changed),
      update: ([queue, id, changes], { changed }) =>
        this.queue(queue).updated(id, changed, changes),
      purge: ([queue], count) => this.queue(queue).purged(count),
      pause: ([queue, on]) => {
        this.queue(queue).paused = on
      },
    }
  }

  /** Whether a task that was killed as poison, as it was before that, can have been it. */
  #checkPoison(queue: string, task: StoredTask): void {
    const { id, holder = '' } = task
    const killer = this.leases.find(holder)?.actor.killedBy
    // A claim that came to the storage late, after its process had given it up, is beyond what a process can keep apart.
    if (!this.unstarted.wasHeard(queue, task)) return
    if (killer === undefined || (killer.id === id && killer.queue === queue)) return
    // One that was no suspect yet may have run beside it: that is why it takes several deaths.
    if (killer.suspect) {
      this.#deps.history.fail('budgets', `${id} was killed as poison in place of ${killer.id}`)
    }
  }
}
