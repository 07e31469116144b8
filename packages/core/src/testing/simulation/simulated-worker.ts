import { Monitor } from '../../monitor/monitor.ts'
import type { Event } from '../../service/events.ts'
import type { WorkerContext } from '../../service/worker-context.ts'
import type { Parts, QueueContext } from '../../task/task.ts'
import { sleep } from '../../time/clock.ts'
import type { Worker } from '../../worker/worker.ts'
import type { CallingWorker } from './call-checks.ts'
import { simulatedHandler } from './handler.ts'
import type { WorkerPlan } from './plan.ts'
import type { RunBound } from './runs.ts'
import type { Scene } from './scene.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedJob, SimulatedStack, StackTools } from './stacks.ts'

/** What a stop with a deadline may take beside it: three graces, the end of the lease, and timers that are late. */
const STOP_MS = 3_000 + 10_000 + 2_000
const DEFAULT_STOP_MS = 25_000
/** So late a deadline may come: timers are. */
const LATE_MS = 600

/** A worker of a simulated process, alone or under a monitor; after its end it is made anew, as long as its process goes on. */
export class SimulatedWorker<Tx> implements CallingWorker {
  readonly plan: WorkerPlan
  readonly stack: SimulatedStack
  readonly bound: RunBound
  readonly #scene: Scene<Tx>
  readonly #process: SimulatedProcess<Tx>
  #context: WorkerContext | undefined
  #stop: () => void = () => {}
  knownSince: number = Number.POSITIVE_INFINITY
  #running = false
  #stoppedAt: number | undefined
  /** Settles when its process is to end and it has. */
  ended: Promise<void> = Promise.resolve()

  constructor(scene: Scene<Tx>, process: SimulatedProcess<Tx>, plan: WorkerPlan, index: number) {
    this.#scene = scene
    this.#process = process
    this.plan = plan
    const stack = scene.stacks[plan.stack % scene.stacks.length]
    if (stack === undefined) throw new RangeError('a simulation needs at least one stack')
    this.stack = stack
    const { name, limit, shared, again = false } = stack
    const whose = `${process.name} ${plan.name} ${index} (${name})`
    const own = (): RunBound => ({ name: whose, limit, again })
    this.bound = shared === true ? process.shared(`bound ${name}`, own) : own()
  }

  start(): void {
    this.ended = this.#live()
  }

  /** Begins a graceful stop. */
  stop(): void {
    if (!this.#running || this.#stoppedAt !== undefined) return
    this.#scene.history.note(this.#process.name, `${this.plan.name} is stopped`)
    this.#stoppedAt = this.#scene.history.now
    this.#stop()
  }

  pause(): void {
    if (this.#context?.isRunning() !== true) return
    this.#scene.history.note(this.#process.name, `${this.plan.name} pauses`)
    this.#context.pause()
  }

  resume(): void {
    if (this.#context?.isPaused() !== true) return
    this.#scene.history.note(this.#process.name, `${this.plan.name} resumes`)
    this.#context.resume()
  }

  /** A handler ends whose signal has not aborted: a stop with a deadline would have seen to that. */
  checkDeadline(claim: string): void {
    const { history } = this.#scene
    const { shutdownMs } = this.plan
    if (this.#stoppedAt === undefined || shutdownMs === undefined) return
    const deadline = this.#stoppedAt + shutdownMs + LATE_MS
    if (history.now <= deadline || this.#process.runsSince > this.#stoppedAt) return
    history.fail('recovery', `${claim} ran on after the deadline of ${this.bound.name}`)
  }

  get queue(): string {
    return this.plan.queue
  }

  get id(): string | undefined {
    return this.#context?.id
  }

  registered(): void {
    this.knownSince = Math.min(this.knownSince, this.#scene.history.now)
  }

  claims(): void {
    // Others that share the limit may just have taken what was free; so may a call of its own that comes back to try again.
    const { shared = false, sheds = false, again = false } = this.stack
    if (!shared && !sheds && !again) this.#scene.checker.runs.claims(this.bound)
  }

  async #live(): Promise<void> {
    const random = this.#process.random.fork(`lives of ${this.bound.name}`)
    while (!this.#process.exiting) {
      this.#running = true
      try {
        await (this.plan.monitored ? this.#supervised() : this.#alone())
        this.#note('has ended')
      } catch (error) {
        this.#note(`has failed: ${error instanceof Error ? error.message : String(error)}`)
      }
      this.#running = false
      if (this.plan.monitored && this.#stoppedAt === undefined) {
        this.#scene.history.fail('recovery', `the monitor of ${this.bound.name} gave it up`)
      }
      this.#checkStop()
      this.#stoppedAt = undefined
      if (this.#process.exiting) return
      await sleep(this.#process.clock, random.between(20, 1_500))
    }
  }

  async #alone(): Promise<void> {
    const { shutdownMs } = this.plan
    const worker = this.#build()
    this.#stop = () => worker.stop()
    await worker.run(shutdownMs === undefined ? {} : { shutdownTimeout: shutdownMs })
  }

  async #supervised(): Promise<void> {
    const stopping = new AbortController()
    this.#stop = () => stopping.abort()
    await new Monitor({ clock: this.#process.clock })
      .shouldRestart(() => 300)
      .shutdownTimeout(this.plan.shutdownMs ?? DEFAULT_STOP_MS)
      .register(() => this.#build())
      .run({ signal: stopping.signal })
  }

  #build(): Worker<SimulatedJob, number> {
    const { name, queue, claimBatch, acknowledgementBuffer } = this.plan
    const random = this.#process.random.fork(`stack of ${this.bound.name}`)
    const tools: StackTools = {
      queue: this.#process.queue(queue),
      random: () => random.next(),
      shared: (make) => this.#process.shared(`stack ${this.stack.name}`, make),
    }
    const handler = simulatedHandler(this.#scene, this.#process, this)
    const worker = this.#process.process.prepare(
      this.stack.backend?.(tools) ?? tools.queue,
      handler,
      {
        name,
        claimBatch,
        acknowledgementBuffer,
        layers: this.stack.layers(tools),
        steps: this.stack.steps?.(tools) ?? [],
        listener: (event) => this.#heard(event),
      },
    )
    this.#context = worker.context
    this.knownSince = Number.POSITIVE_INFINITY
    return worker
  }

  #heard(event: Event): void {
    switch (event.type) {
      case 'success':
        this.#checkDurable(event.task.parts, 'done')
        break
      case 'error':
        if ('outcome' in event) this.#checkDurable(event.task.parts, event.outcome)
        break
      case 'lost':
        this.#note(`lost ${event.task.parts.taskId}: ${event.reason}`)
        break
      case 'leaked':
        this.#note(`leaked ${event.task.parts.taskId}`)
        break
      case 'dropped':
        this.#note(`dropped ${event.count} ${event.what}`)
        break
      default:
    }
  }

  /** What listeners are told of an outcome is so in the storage. */
  #checkDurable({ taskId, context }: Parts, outcome: string): void {
    // Every task of a queue carries its context. Of what a rescue has killed the rescuer tells.
    const { queue, epoch, lockedBy } = context as QueueContext
    const tasks = this.#scene.checker.queue(queue)
    if (lockedBy === undefined || tasks.hasEnded(taskId, epoch, outcome)) return
    const claim = `${taskId}@${epoch}`
    this.#scene.history.fail('nothing lost', `${claim} is told to be ${outcome}, and is not stored`)
  }

  /** A stop with a deadline is over in time, unless the process stood still. */
  #checkStop(): void {
    const { history } = this.#scene
    const { shutdownMs = this.plan.monitored ? DEFAULT_STOP_MS : undefined } = this.plan
    if (this.#stoppedAt === undefined || shutdownMs === undefined) return
    if (this.#process.runsSince > this.#stoppedAt) return
    const took = history.now - this.#stoppedAt
    if (took > shutdownMs + STOP_MS) {
      history.fail('recovery', `${this.bound.name} took ${took} ms to stop within ${shutdownMs} ms`)
    }
  }

  #note(what: string): void {
    if (this.#process.state === 'dead') return
    this.#scene.history.note(this.#process.name, `${this.plan.name} ${what}`)
  }
}
