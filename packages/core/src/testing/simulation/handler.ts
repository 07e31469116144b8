import type { Handler, TaskRequest } from '../../service/service.ts'
import { suspectRescues } from '../../storage/task-store.ts'
import type { QueueContext } from '../../task/task.ts'
import { sleep } from '../../time/clock.ts'
import { type Behaviour, behaviourOf } from './behaviour.ts'
import type { RunRecord } from './runs.ts'
import type { Scene } from './scene.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedWorker } from './simulated-worker.ts'
import type { SimulatedJob } from './stacks.ts'

type Request = TaskRequest<SimulatedJob, {}, QueueContext>

/** The handler of a simulated worker: does what the seed, the task and the number of its run say, and writes it down. */
export function simulatedHandler<Tx>(
  scene: Scene<Tx>,
  process: SimulatedProcess<Tx>,
  worker: SimulatedWorker<Tx>,
): Handler<SimulatedJob, {}, number, QueueContext> {
  return ({ n }, request) => {
    // What a dead process still does in this very turn happened nowhere.
    if (process.state === 'dead') return new Promise(() => {})
    const { taskId: id, context, timeoutMs } = request.task.parts
    const { queue, epoch, lockedBy: incarnation = '' } = context
    const run = scene.checker.runs.begins(
      { queue, id, epoch, incarnation, actor: process, bound: worker.bound },
      context.rescues,
    )
    scene.checker.unstarted.over(queue, [{ id, epoch }])
    const count = (scene.runs.get(`${queue} ${id}`) ?? 0) + 1
    scene.runs.set(`${queue} ${id}`, count)
    const behaviour = behaviourOf(scene.random.fork(`${queue} ${id} ${count}`), {
      run: count,
      poison: scene.plan.tasks[n - 1]?.poison === true,
      bounded: timeoutMs !== undefined,
    })
    scene.history.note(process.name, `${id}@${epoch} starts, to ${behaviour.type}`)
    return new HandlerRun(scene, process, worker, run, request).do(behaviour)
  }
}

/** One run of it. */
class HandlerRun<Tx> {
  readonly #scene: Scene<Tx>
  readonly #process: SimulatedProcess<Tx>
  readonly #worker: SimulatedWorker<Tx>
  readonly #run: RunRecord
  readonly #request: Request

  constructor(
    scene: Scene<Tx>,
    process: SimulatedProcess<Tx>,
    worker: SimulatedWorker<Tx>,
    run: RunRecord,
    request: Request,
  ) {
    this.#scene = scene
    this.#process = process
    this.#worker = worker
    this.#run = run
    this.#request = request
  }

  do(behaviour: Behaviour): number | Promise<number> {
    switch (behaviour.type) {
      case 'return':
        // Without a wait nobody asks for the signal, as most handlers do not.
        return behaviour.afterMs === 0 ? this.#return() : this.#later(behaviour.afterMs, true)
      case 'throw':
        if (behaviour.afterMs === 0) return this.#throw(behaviour.error())
        return this.#later(behaviour.afterMs, true, behaviour.error)
      case 'hang':
        return this.#hang()
      case 'ignore':
        return this.#later(behaviour.afterMs, false)
      case 'block':
        this.#process.freeze(behaviour.afterMs)
        return this.#later(behaviour.afterMs, false)
      case 'overdo':
        return this.#return(Number.NaN)
      case 'kill':
        return this.#kill()
    }
  }

  async #later(ms: number, heeds: boolean, error?: () => unknown): Promise<number> {
    const signal = this.#watch()
    await sleep(this.#process.clock, ms, heeds ? { signal } : {})
    if (!signal.aborted) this.#worker.checkDeadline(`${this.#run.id}@${this.#run.epoch}`)
    if (heeds && signal.aborted) return this.#throw(signal.reason)
    return error === undefined ? this.#return() : this.#throw(error())
  }

  async #hang(): Promise<number> {
    const signal = this.#watch()
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    return this.#throw(signal.reason)
  }

  #kill(): Promise<number> {
    const { queue, id, epoch, incarnation } = this.#run
    const task = this.#scene.checker.queue(queue).find(id)
    // One that runs on after its claim was ended from outside is nobody's death.
    if (task?.epoch === epoch && task.holder === incarnation) {
      this.#scene.checker.runs.kills(queue, id)
    }
    const suspect = this.#request.task.parts.context.rescues >= suspectRescues
    this.#process.die({ queue, id, suspect })
    return new Promise(() => {})
  }

  #return(result = Number(this.#run.id.slice(1))): number {
    this.#note('effect')
    this.#scene.checker.runs.ends(this.#run, true)
    return result
  }

  #throw(error: unknown): never {
    this.#note(`throws ${error instanceof Error ? error.name : String(error)}`)
    this.#scene.checker.runs.ends(this.#run, false)
    throw error
  }

  #watch(): AbortSignal {
    const { signal } = this.#request
    const aborted = (): void => {
      if (this.#process.state === 'dead' || this.#run.over) return
      const reason: unknown = signal.reason
      this.#scene.checker.runs.aborts(this.#run, reason)
      this.#note(`aborts: ${reason instanceof Error ? reason.name : String(reason)}`)
    }
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    return signal
  }

  #note(what: string): void {
    this.#scene.history.note(this.#process.name, `${this.#run.id}@${this.#run.epoch} ${what}`)
  }
}
