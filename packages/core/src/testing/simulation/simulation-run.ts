import type { TaskStore } from '../../storage/task-store.ts'
import type { BareHarness } from '../harness.ts'
import { Checker } from './checker.ts'
import { Client } from './client.ts'
import { History, type Violation } from './history.ts'
import type { Operation, Plan } from './plan.ts'
import { Random } from './random.ts'
import type { Scene } from './scene.ts'
import { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedStack } from './stacks.ts'
import { Timeline } from './timeline.ts'

/** How often what the storage lists is compared with what it has said, in virtual milliseconds. */
const AUDIT_MS = 3_000
/** Once everything goes well, so long may pass without any progress; the storage's clock may have been set back by more. */
const STILL_MS = 60_000
/** And so long until all is done. */
const DRAIN_MS = 20 * 60_000
/** Whoever waits for a task that has ended hears of it within this. */
const HEARD_MS = 30_000
/** A listener that fell is renewed within this. */
const LISTEN_MS = 17_000
/** How long a stop takes at most when everything goes well: handlers end, or are left behind. */
const STOP_MS = 60_000
/** What is left then of timers that nobody needs any more. */
const REST_MS = 15_000

/** One seed: chaos, then calm until all is done, then the stop of everything. */
export class SimulationRun<Tx> {
  readonly #scene: Scene<Tx>
  readonly #client: Client<Tx>
  /** The process of each plan that is there now. */
  readonly #processes: (SimulatedProcess<Tx> | undefined)[] = []
  /** A connection of the simulation's own. */
  #store: TaskStore<Tx> | undefined
  #stopping = false

  constructor(harness: BareHarness<Tx>, plan: Plan, stacks: readonly SimulatedStack[]) {
    const timeline = new Timeline(harness)
    const history = new History(timeline)
    const checker = new Checker({
      history,
      storageNow: () => harness.clock.now(),
      maxRescues: plan.maxRescues,
      callTimeoutMs: plan.callTimeoutMs,
    })
    this.#scene = {
      plan,
      harness,
      timeline,
      history,
      checker,
      random: new Random(`run ${plan.seed}`),
      stacks,
      runs: new Map(),
      calm: false,
    }
    this.#client = new Client(this.#scene)
  }

  get history(): History {
    return this.#scene.history
  }

  get events(): number {
    return this.#scene.timeline.events
  }

  get runs(): number {
    return this.#scene.checker.runs.count
  }

  /** Runs it; the answer is what was broken first. */
  async run(): Promise<Violation | undefined> {
    const { plan, harness, history } = this.#scene
    this.#store = await harness.open()
    for (const index of plan.processes.keys()) await this.#begin(index, 1)
    for (const operation of plan.operations) this.#at(operation.at, () => this.#operate(operation))
    for (const { at, ms } of plan.sleeps) {
      this.#at(at, () => this.#processes.forEach((process) => process?.freeze(ms)))
    }
    for (const { at, ms } of plan.storageSteps) this.#at(at, () => this.#stepStorage(ms))
    this.#at(AUDIT_MS, () => this.#audit())
    await this.#advance(plan.chaosMs)
    if (history.violation === undefined) await this.#calm()
    await this.#drain()
    await this.#rest()
    await this.#stop()
    return history.violation
  }

  async #begin(index: number, life: number): Promise<void> {
    const { harness, plan } = this.#scene
    const processPlan = plan.processes[index]
    if (processPlan === undefined || this.#stopping) return
    const process = new SimulatedProcess(this.#scene, processPlan, life, await harness.open())
    this.#processes[index] = process
    process.onGone = () => {
      this.#processes[index] = undefined
      const again = process.random.between(100, 3_000)
      this.#scene.timeline.schedule(again, process.random.next(), () =>
        this.#begin(index, life + 1),
      )
    }
    if (life === 1) this.#disturb(index)
    process.start()
  }

  /** What befalls a process, whichever of its lives it then has. */
  #disturb(index: number): void {
    const plan = this.#scene.plan.processes[index]
    if (plan === undefined) return
    const at = (ms: number, what: (process: SimulatedProcess<Tx>) => unknown): void => {
      this.#at(ms, () => {
        const process = this.#processes[index]
        // Not awaited: it takes its time.
        if (process !== undefined) void what(process)
      })
    }
    for (const { at: ms, ms: length } of plan.freezes) at(ms, (process) => process.freeze(length))
    for (const ms of plan.deaths) at(ms, (process) => process.die())
    for (const { at: ms, ms: step } of plan.steps) at(ms, ({ process }) => process.clock.step(step))
    for (const ms of plan.exits) at(ms, (process) => process.exit())
    for (const { at: ms, worker } of plan.stops) at(ms, ({ workers }) => workers[worker]?.stop())
    for (const ms of plan.deaf) at(ms, (process) => process.deafen())
  }

  /** In the process that the plan says, or the next one that runs; later, when there is none. */
  #operate(operation: Operation): void {
    const { timeline, random, calm } = this.#scene
    // Nobody would let it go on again.
    if (calm && operation.action.type.startsWith('pause')) return
    const count = this.#processes.length
    for (let tries = 0; tries < count; tries += 1) {
      const process = this.#processes[(operation.by + tries) % count]
      if (process?.state !== 'running' || process.exiting) continue
      void this.#client.do(operation, process)
      return
    }
    timeline.schedule(500, random.next(), () => this.#operate(operation))
  }

  async #stepStorage(ms: number): Promise<void> {
    const { harness, history, checker, timeline } = this.#scene
    await timeline.reachStorage()
    history.note('', `the storage's clock is set by ${ms} ms`)
    harness.clock.step(ms)
    if (ms > 0) checker.leases.setForward()
  }

  async #audit(): Promise<void> {
    const { plan, checker, timeline } = this.#scene
    await timeline.reachStorage()
    // A run that a layer has ended may wait for its backoff before anybody hears of it.
    if (plan.backoff.how !== 'silent') checker.unstarted.check()
    for (const queue of plan.queues) {
      checker.audit(queue, (await this.#store?.list(queue, { offset: 0, limit: 1_000 })) ?? [])
    }
    if (!this.#stopping) this.#at(AUDIT_MS, () => this.#audit())
  }

  /** From now on nothing goes wrong. What is under way may still arrive late. */
  async #calm(): Promise<void> {
    const { history, plan, checker } = this.#scene
    history.note('', 'all is calm')
    this.#scene.calm = true
    for (const process of this.#processes) process?.calm()
    await this.#advance(plan.callTimeoutMs * 4)
    await this.#scene.timeline.reachStorage()
    for (const queue of plan.queues) {
      await this.#store?.pause(queue, false)
      checker.queue(queue).paused = false
    }
    history.note('', 'all queues go on')
    history.progress()
  }

  /** Lets time pass until every task has ended. */
  async #drain(): Promise<void> {
    const { history, checker, plan } = this.#scene
    const still = STILL_MS + plan.leaseMs * 4
    const until = history.now + DRAIN_MS
    const done = (): boolean =>
      checker.unfinished().length === 0 && this.#client.pending('pushes').length === 0
    while (!done() && history.violation === undefined) {
      if (history.now - history.progressAt > still || history.now > until) {
        await this.#audit()
        history.fail('recovery', `still not ended: ${this.#unfinished()}`)
        return
      }
      await this.#advance(1_000)
    }
    if (history.violation !== undefined) return
    await this.#advance(this.#client.pending('waits').length === 0 ? 1 : HEARD_MS)
    const waits = this.#client.pending('waits')
    if (waits.length > 0) history.fail('recovery', `still not heard of: ${waits.join(', ')}`)
  }

  /** What has nothing to do only beats, and hears what happens. */
  async #rest(): Promise<void> {
    const { history, plan } = this.#scene
    if (history.violation !== undefined || !plan.rests) return
    // A listener that fell again and again is renewed by then.
    await this.#advance(LISTEN_MS)
    const before = new Map(
      this.#processes.map((process) => [process, new Map(process?.checks.counts)]),
    )
    await this.#advance(plan.leaseMs)
    for (const process of this.#processes) {
      const known = before.get(process)
      if (process !== undefined && known !== undefined) this.#checkIdle(process, known)
    }
  }

  #checkIdle(
    { name, checks, link }: SimulatedProcess<Tx>,
    before: ReadonlyMap<string, number>,
  ): void {
    const { history } = this.#scene
    for (const [operation, count] of checks.counts) {
      const times = count - (before.get(operation) ?? 0)
      if (operation === 'beat' || times === 0) continue
      history.fail('bounded', `${name} calls ${operation} ${times} times with nothing to do`)
    }
    if (link.subscriptions === 0) history.fail('recovery', `${name} does not listen any more`)
  }

  #unfinished(): string {
    const { checker } = this.#scene
    const tasks = checker.unfinished().map(({ id, epoch, status, holder }) => {
      if (holder === undefined) return `${id}@${epoch} is ${status}`
      const lease = checker.leases.isLive(holder) ? 'lives' : 'is gone'
      return `${id}@${epoch} is held by ${checker.leases.nameOf(holder)}, which ${lease}`
    })
    return [...tasks, ...this.#client.pending('pushes')].join('; ')
  }

  /** Stops everything, and looks what is left. */
  async #stop(): Promise<void> {
    const { history, plan } = this.#scene
    if (history.violation !== undefined) return
    this.#stopping = true
    const processes = this.#processes.filter((process) => process !== undefined)
    let ended = 0
    for (const process of processes) {
      void process.exit().then(() => {
        ended += 1
      })
    }
    for (let left = STOP_MS; left > 0 && ended < processes.length; left -= 1_000) {
      await this.#advance(1_000)
    }
    if (ended < processes.length) {
      const names = processes.filter(({ state }) => state !== 'gone').map(({ name }) => name)
      history.fail('recovery', `still not stopped after ${STOP_MS} ms: ${names.join(', ')}`)
    }
    await this.#advance(REST_MS + plan.callTimeoutMs)
    for (const process of processes) this.#checkRest(process)
    await this.#audit()
  }

  #checkRest({ name, timers, link, process }: SimulatedProcess<Tx>): void {
    const { history } = this.#scene
    if (timers.timers > 0) history.fail('bounded', `${name} left ${timers.timers} timers`)
    if (link.subscriptions > 0) history.fail('bounded', `${name} is still subscribed`)
    if (!process.scope.free) history.fail('bounded', `${name} kept the permit for suspects`)
  }

  #at(ms: number, run: () => unknown): void {
    this.#scene.timeline.schedule(ms, this.#scene.random.next(), run)
  }

  /** Lets time pass until something is broken. */
  async #advance(ms: number): Promise<void> {
    const { timeline, history } = this.#scene
    await timeline.run(ms, () => history.violation !== undefined)
  }
}
