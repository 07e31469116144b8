import type { Codec } from '../../codec/codec.ts'
import { json } from '../../codec/json.ts'
import type { Queue } from '../../storage/queue.ts'
import type { TaskStore } from '../../storage/task-store.ts'
import { type Clock, sleep } from '../../time/clock.ts'
import { Process } from '../process.ts'
import { type CallingProcess, type CallingWorker, CallChecks } from './call-checks.ts'
import { Faults } from './faults.ts'
import type { Actor, Killer } from './leases.ts'
import { Link, operations } from './link.ts'
import type { ProcessPlan } from './plan.ts'
import type { Random } from './random.ts'
import type { Scene } from './scene.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedWorker } from './simulated-worker.ts'
import type { SimulatedJob } from './stacks.ts'

/** One process: a storage of its own over a connection of its own, and its workers. It may stand still, die, or end well. */
export class SimulatedProcess<Tx> implements CallingProcess {
  readonly name: string
  readonly plan: ProcessPlan
  readonly clock: Clock
  readonly timers: SimulatedClock
  readonly faults: Faults
  readonly link: Link
  readonly random: Random
  readonly workers: readonly SimulatedWorker<Tx>[]
  readonly process: Process<Tx>
  readonly #scene: Scene<Tx>
  readonly #queues = new Map<string, Queue<SimulatedJob, SimulatedJob, number, Tx>>()
  readonly #shared = new Map<string, unknown>()
  #state: Actor['state'] = 'running'
  stoodSince = 0
  #frozenUntil = 0
  #exit: Promise<void> | undefined
  runsSince = 0
  thawedAt: number = Number.NEGATIVE_INFINITY
  resuming = 0
  readonly checks: CallChecks
  killedBy: Killer | undefined
  /** It is to end, and nothing is started in it any more. */
  exiting = false
  /** Told when it is no more. */
  onGone: () => void = () => {}

  constructor(scene: Scene<Tx>, plan: ProcessPlan, life: number, store: TaskStore<Tx>) {
    const { timeline, history, checker } = scene
    const { leaseMs, callTimeoutMs, rates, kinds } = scene.plan
    this.#scene = scene
    this.plan = plan
    this.name = life === 1 ? plan.name : `${plan.name}.${life}`
    this.random = scene.random.fork(this.name)
    this.runsSince = timeline.now
    this.timers = new SimulatedClock(timeline, this.random)
    if (kinds.has('late')) this.timers.lateness = { usual: 10, rare: 250 }
    this.process = new Process(plan.fused ? store : unfused(store), this.timers, {
      skewMs: plan.skewMs,
      lease: leaseMs,
      callTimeout: callTimeoutMs,
      safetyPoll: 1_000,
      retention: { done: false, killed: false },
    })
    this.clock = this.process.clock
    this.faults = new Faults(this.random, rates, plan.outages, callTimeoutMs)
    if (scene.calm) this.faults.end()
    const random = this.random.fork('link')
    this.checks = new CallChecks(this, history, checker, { leaseMs, callTimeoutMs })
    this.link = new Link({
      timeline,
      history,
      checker,
      random,
      actor: this,
      faults: this.faults,
      checks: this.checks,
    })
    this.process.wire.intercept(operations, this.link.intercept)
    this.workers = plan.workers.map(
      (worker, index) => new SimulatedWorker(scene, this, worker, index),
    )
    history.note(this.name, `begins, with ${plan.workers.length} workers`)
  }

  get state(): Actor['state'] {
    return this.#state
  }

  get callers(): readonly CallingWorker[] {
    return this.workers
  }

  /** A queue as this process sees it. */
  queue(name: string): Queue<SimulatedJob, SimulatedJob, number, Tx> {
    const { maxRescues } = this.#scene.plan
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = this.process.storage.queue<SimulatedJob, SimulatedJob, number>(name, {
        args: this.#args(),
        result: json<number>(),
        backoff: () => this.#backoff(),
        maxRescues,
      })
      this.#queues.set(name, queue)
    }
    return queue
  }

  /** A value that all workers of this process with the same stack have. */
  shared<Value>(name: string, make: () => Value): Value {
    if (!this.#shared.has(name)) this.#shared.set(name, make())
    // Whoever asks by this name made it.
    return this.#shared.get(name) as Value
  }

  /** Its workers run from now on. */
  start(): void {
    for (const worker of this.workers) worker.start()
  }

  /** Its event loop stands still for `ms` milliseconds. */
  freeze(ms: number): void {
    if (this.#state !== 'running' && this.#state !== 'frozen') return
    const { timeline, history } = this.#scene
    history.note(this.name, `stands still for ${ms} ms`)
    if (this.#state === 'running') this.stoodSince = timeline.now
    this.#frozenUntil = Math.max(this.#frozenUntil, timeline.now + ms)
    this.#state = 'frozen'
    this.process.freeze()
    timeline.schedule(ms, this.random.next(), () => this.#thaw())
  }

  /** It is dead from now on. */
  die(by?: Killer): void {
    if (this.#state === 'dead' || this.#state === 'gone') return
    this.#scene.history.note(this.name, by === undefined ? 'dies' : `is killed by ${by.id}`)
    this.killedBy = by
    this.#state = 'dead'
    this.process.die()
    this.link.die(this.random.fork('death'))
    this.onGone()
  }

  /** Stops all workers, closes the storage and ends. Settles when it is no more. */
  exit(): Promise<void> {
    this.#exit ??= this.#end()
    return this.#exit
  }

  async #end(): Promise<void> {
    this.exiting = true
    this.#scene.history.note(this.name, 'is stopped')
    for (const worker of this.workers) worker.stop()
    await Promise.all(this.workers.map((worker) => worker.ended))
    await this.process.storage.close()
    if (this.#state === 'dead') return
    this.#scene.history.note(this.name, 'has ended')
    this.#state = 'gone'
    this.onGone()
  }

  /** Its subscriptions end by themselves. */
  deafen(): void {
    if (this.#state !== 'running') return
    this.#scene.history.note(this.name, 'stops hearing')
    this.link.endListening()
  }

  /** From now on everything goes well. */
  calm(): void {
    this.faults.end()
    this.timers.lateness = { usual: 2, rare: 2 }
    this.#frozenUntil = this.#scene.timeline.now
    this.#thaw()
    for (const worker of this.workers) worker.resume()
  }

  /** Arguments as JSON, some of which nobody can read any more. */
  #args(): Codec<SimulatedJob, SimulatedJob> {
    const plain = json<SimulatedJob>()
    return {
      encode: (job) => plain.encode(job),
      decode: (text) => {
        const job = plain.decode(text)
        if (this.#scene.plan.tasks[job.n - 1]?.unreadable === true) throw new Error('unreadable')
        return job
      },
    }
  }

  #backoff(): number | Promise<number> {
    const { ms, how } = this.#scene.plan.backoff
    if (how === 'plain' || this.random.chance(0.6)) return ms
    if (how === 'late') return sleep(this.clock, this.random.between(1, 500)).then(() => ms)
    if (how === 'silent') return new Promise(() => {})
    throw new Error('the backoff does not work')
  }

  #thaw(): void {
    const { timeline, history } = this.#scene
    if (this.#state !== 'frozen' || timeline.now < this.#frozenUntil) return
    history.note(this.name, 'goes on')
    this.#state = 'running'
    this.runsSince = timeline.now
    this.thawedAt = timeline.now
    const { wire, clock } = this.process
    const soon = (ms: number, run: () => void): void => {
      timeline.schedule(ms, this.random.next(), run)
    }
    // Whether timers or answers come first is not for us to say.
    if (this.random.chance(0.5)) wire.thaw()
    else soon(2, () => this.#state === 'running' && wire.thaw())
    clock.thaw((fire) => soon(this.random.between(0, 2), fire))
  }
}

/** A store that settles and claims in two calls. */
function unfused<Tx>(store: TaskStore<Tx>): TaskStore<Tx> {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'exchange') return undefined
      const member: unknown = Reflect.get(target, key)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
