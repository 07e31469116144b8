import {
  isBackendError,
  isDuplicateTaskError,
  isTaskGoneError,
} from '../../errors/backend-errors.ts'
import { isTaskKilledError } from '../../errors/task-errors.ts'
import type { PushOptions } from '../../task/task-builder.ts'
import { TaskBuilder } from '../../task/task-builder.ts'
import { sleep } from '../../time/clock.ts'
import type { Operation, TaskChange, TaskPlan } from './plan.ts'
import type { Random } from './random.ts'
import type { Scene } from './scene.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** What a client has begun and not finished. */
interface Pending<Tx> {
  readonly what: string
  readonly process: SimulatedProcess<Tx>
}

/** What is done to a task, or to a queue. */
type Change =
  | { readonly type: TaskChange; readonly task: TaskPlan }
  | { readonly type: 'pause' | 'resume'; readonly queue: string }

/** Whoever pushes, waits and administers: it does what the plan says, in the processes that are there, and notes how it went. */
export class Client<Tx> {
  readonly #scene: Scene<Tx>
  readonly #pushes = new Set<Pending<Tx>>()
  readonly #waits = new Set<Pending<Tx>>()

  constructor(scene: Scene<Tx>) {
    this.#scene = scene
  }

  /** What has not come to an end, in processes that still are. */
  pending(kind: 'pushes' | 'waits'): readonly string[] {
    const pending = kind === 'pushes' ? this.#pushes : this.#waits
    return Array.from(pending)
      .filter(({ process }) => process.state === 'running' || process.state === 'frozen')
      .map(({ what }) => what)
  }

  /** Does something in a process. */
  async do({ action }: Operation, process: SimulatedProcess<Tx>): Promise<void> {
    switch (action.type) {
      case 'push':
        return this.#push(process, action.tasks, action.onlyNew)
      case 'wait':
        return this.#wait(process, action.task)
      case 'pause worker':
        return process.workers[action.worker]?.pause()
      case 'resume worker':
        return process.workers[action.worker]?.resume()
      default:
        return this.#change(action, process)
    }
  }

  /** Pushes until it is known that it was done. */
  async #push(
    process: SimulatedProcess<Tx>,
    tasks: readonly TaskPlan[],
    onlyNew: boolean,
  ): Promise<void> {
    const [first] = tasks
    if (first === undefined) return
    const pending = { what: `push of ${tasks.map(({ id }) => id).join(' ')}`, process }
    this.#pushes.add(pending)
    const random = process.random.fork(pending.what)
    for (;;) {
      try {
        const ids = await this.#pushOnce(process, tasks, onlyNew)
        this.#note(process, `acknowledged ${ids.join(' ')}`)
        for (const id of ids) this.#checkStored(first.queue, id)
        break
      } catch (error) {
        this.#note(process, `${pending.what}: ${messageOf(error)}`)
        if (isDuplicateTaskError(error)) break
        if (isBackendError(error) && process.exiting) break
        await sleep(process.clock, random.between(20, 1_500))
      }
    }
    this.#pushes.delete(pending)
  }

  async #pushOnce(
    process: SimulatedProcess<Tx>,
    tasks: readonly TaskPlan[],
    onlyNew: boolean,
  ): Promise<readonly string[]> {
    const [first] = tasks
    if (first === undefined) return []
    const queue = process.queue(first.queue)
    if (tasks.length === 1) {
      const duplicate: PushOptions = onlyNew ? { onDuplicate: 'throw' } : {}
      return [await queue.push({ n: first.n }, { ...optionsOf(first), ...duplicate })]
    }
    if (tasks.length > 5) {
      const ids = tasks.map(({ id }) => id)
      return queue.pushBulk(
        tasks.map(({ n }) => ({ n })),
        { ids },
      )
    }
    return queue.pushAll(tasks.map((task) => built(task)))
  }

  #checkStored(queue: string, id: string): void {
    if (this.#scene.checker.queue(queue).find(id) === undefined) {
      this.#scene.history.fail('nothing lost', `${id} was acknowledged, and never stored`)
    }
  }

  /** Waits for the end of a task. */
  async #wait(process: SimulatedProcess<Tx>, { id, n, queue }: TaskPlan): Promise<void> {
    const pending = { what: `wait for ${id}`, process }
    this.#waits.add(pending)
    const task = () => this.#scene.checker.queue(queue).find(id)
    try {
      const result = await process.queue(queue).result(id)
      this.#note(process, `${id} gave ${result}`)
      if (task()?.status !== 'done' && task()?.status !== 'removed') {
        this.#scene.history.fail(
          'contract',
          `whoever waits hears that ${id} is done, and it is not`,
        )
      } else if (result !== n) {
        this.#scene.history.fail('contract', `${id} gave ${n}, and whoever waits gets ${result}`)
      }
    } catch (error) {
      this.#note(process, `${id} gave ${messageOf(error)}`)
      const ended = isTaskKilledError(error) || isTaskGoneError(error)
      // What is transient is read again.
      const expected = ended || (isBackendError(error) && !error.transient)
      if (!expected) {
        this.#scene.history.fail('contract', `a wait for ${id} ended with ${messageOf(error)}`)
      }
    }
    this.#waits.delete(pending)
  }

  async #change(action: Change, process: SimulatedProcess<Tx>): Promise<void> {
    try {
      const did = await this.#changeOnce(action, process)
      this.#note(process, `${action.type}: ${did}`)
    } catch (error) {
      this.#note(process, `${action.type}: ${messageOf(error)}`)
    }
  }

  async #changeOnce(action: Change, process: SimulatedProcess<Tx>): Promise<boolean | number> {
    const queue = process.queue('task' in action ? action.task.queue : action.queue)
    if (!('task' in action)) {
      await (action.type === 'pause' ? queue.pause() : queue.resume())
      return true
    }
    const random = process.random.fork(`${action.type} ${action.task.id}`)
    const { id, n } = this.#target(action.task, random)
    switch (action.type) {
      case 'kill':
        return queue.kill(id)
      case 'retry':
        return queue.retry(id)
      case 'retry more':
        return queue.retry(id, { resetAttempts: false })
      case 'update':
        return queue.update(id, { args: { n }, priority: random.between(-3, 3) })
      case 'reschedule':
        return queue.reschedule(id, random.between(0, 4_000))
      case 'remove':
        return queue.remove(id)
      case 'resume task':
        return queue.resumeById(id)
      case 'rescue':
        process.resuming += 1
        return queue.resumeAbandoned().finally(() => {
          process.resuming -= 1
        })
      case 'vacuum':
        return queue.vacuum()
    }
  }

  /** Often a task that is running, whichever the plan says: that is where the races are. */
  #target(task: TaskPlan, random: Random): TaskPlan {
    const running = this.#scene.plan.tasks.filter(
      ({ id, queue }) =>
        queue === task.queue && this.#scene.checker.queue(queue).find(id)?.status === 'running',
    )
    return running.length > 0 && random.chance(0.6) ? random.pick(running) : task
  }

  #note(process: SimulatedProcess<Tx>, what: string): void {
    if (process.state !== 'dead') this.#scene.history.note(process.name, what)
  }
}

function optionsOf(task: TaskPlan): PushOptions {
  const { id, attempts, priority, timeoutMs, delayMs, unique, uniqueForMs } = task
  const key = unique === undefined ? {} : { unique: { key: unique, ...forOf(uniqueForMs) } }
  return {
    id,
    attempts,
    priority,
    delay: delayMs,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    ...key,
  }
}

function forOf(ms: number | undefined): { readonly for?: number } {
  return ms === undefined ? {} : { for: ms }
}

function built({ n, id, attempts, priority, timeoutMs, delayMs, unique, uniqueForMs }: TaskPlan) {
  let builder = new TaskBuilder({ n }).id(id).attempts(attempts).priority(priority).delay(delayMs)
  if (timeoutMs !== undefined) builder = builder.timeout(timeoutMs)
  if (unique !== undefined) builder = builder.unique(unique, forOf(uniqueForMs))
  return builder.build()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
