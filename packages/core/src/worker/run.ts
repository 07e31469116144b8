import type { Backend, Beat, Outcome, TaskStream } from '../backend/backend.ts'
import { BackendError } from '../errors/backend-errors.ts'
import { toStoredError } from '../errors/stored-error.ts'
import { isLeaseLostError } from '../errors/task-errors.ts'
import { WorkerError } from '../errors/worker-errors.ts'
import { exponential } from '../task/backoff.ts'
import { microtasksDone } from '../internal/microtasks.ts'
import { type Clock, sleep, systemClock, type Timer, turn } from '../time/clock.ts'
import { Buffer, type Claimed } from './buffer.ts'
import { Changes } from './changes.ts'
import type { RunContext } from './context.ts'
import type { Emitter } from './emitter.ts'
import type { Execution } from './execution.ts'
import { Flight } from './flight.ts'
import { newIncarnation } from './incarnation-id.ts'
import { Lease } from './lease.ts'
import type { WorkerPlan } from './plan.ts'
import { RoundTrip } from './round-trip.ts'
import { Settler, type Unsettled, type Written } from './settler.ts'
import { composeStack, type Stack } from './stack.ts'
import { SupervisedCalls } from './supervise.ts'
import { tracking } from './tracking.ts'

/** A claimed task that has not started may wait this long for capacity; then it is given back. */
const UNSTARTED_MS = 1_000
/** Work that never waits gives the event loop a turn this often. */
const TURN_MS = 10
/** How long the end of the lease may take when the worker stops. */
const LEAVE_MS = 10_000

/** One run of a worker: claims while there is capacity, starts what it claimed, keeps the lease, and drains at the end. */
export class Run {
  readonly #plan: WorkerPlan<unknown, unknown>
  readonly #backend: Backend<unknown>
  readonly #clock: Clock
  readonly #context: RunContext
  readonly #emitter: Emitter
  readonly #stack: Stack
  readonly #flight: Flight
  readonly #settler: Settler
  readonly #claims: SupervisedCalls
  readonly #changes = new Changes()
  readonly #buffer = new Buffer()
  readonly #timers = new Set<Timer>()
  readonly #roundTrip = new RoundTrip()
  /** Holds back claims while whoever reads the event stream does not keep up. */
  readonly #held: () => boolean
  #lease: Lease | undefined
  #queuePaused = false
  /** Outcomes that become durable make room. */
  #awaitsSettling = false
  #idleTold = false
  #fatal: WorkerError | undefined
  #aborted = false
  /** The time for the last writes is over, too. */
  #cutOff = false
  readonly #loopTime: () => number
  #lastTurn = 0

  constructor(
    plan: WorkerPlan<unknown, unknown>,
    context: RunContext,
    emitter: Emitter,
    held: () => boolean,
  ) {
    this.#plan = plan
    this.#backend = plan.backend
    this.#clock = plan.clock
    const { clock } = plan
    this.#loopTime = () => clock.loopTime?.() ?? systemClock.monotonic()
    this.#context = context
    this.#emitter = emitter
    this.#held = held
    this.#claims = new SupervisedCalls('claim', plan.clock, this.#onFailure)
    this.#stack = composeStack({
      layers: plan.layers,
      innermost: tracking(plan.handler, plan.abortGraceMs, plan.clock),
      clock: plan.clock,
      onError: (layer, error) => this.#report(`layer ${layer}`, error),
    })
    const emit = emitter.emit.bind(emitter)
    this.#settler = new Settler(plan.backend, plan.clock, {
      onFailure: this.#onFailure,
      mayWrite: () => this.#lease?.trusted ?? true,
      onSettled: () => {
        // While only the layers hold us back, nobody waits for this.
        if (this.#awaitsSettling || context.isShuttingDown()) this.#changes.tell()
      },
      emit,
      eventsHeard: () => emitter.active,
      acknowledged: (entry, settled) => this.#acknowledge(entry, settled),
    })
    this.#flight = new Flight({
      stack: this.#stack,
      data: plan.data,
      context,
      clock: plan.clock,
      rules: {
        backoff: plan.backend.backoff ?? exponential('1s'),
        maxReleases: plan.backend.maxReleases ?? 1_000,
        onBackoffError: (error) => this.#report('backoff', error),
        clock: plan.clock,
      },
      graceMs: plan.abortGraceMs,
      longRunAfterMs: plan.longRunAfterMs,
      emit,
      eventsHeard: () => emitter.active,
      trusted: () => this.#lease?.trusted ?? true,
      settle: (execution, outcome) => this.#settle(execution, outcome),
      onEnd: () => {
        if (context.isShuttingDown()) this.#changes.tell()
      },
    })
    context.attach({
      onChange: () => this.#changes.tell(),
      emit,
      busy: () => this.#flight.size + this.#settler.unsettled,
      leaked: () => this.#flight.leaked,
      capacity: () => this.#capacity(),
      layers: () => this.#stack.layers(),
    })
  }

  /** Looks again at what may have changed outside. */
  recheck(): void {
    this.#changes.tell()
  }

  /** Runs until stopped, the source has ended, or something failed that cannot heal. */
  async run(shutdownTimeoutMs: number | undefined): Promise<void> {
    this.#emitter.emit({ type: 'start' })
    if (shutdownTimeoutMs !== undefined) {
      const deadline = (): void => this.#after(shutdownTimeoutMs, () => this.abort())
      this.#context.signal.addEventListener('abort', deadline, { once: true })
      if (this.#context.isShuttingDown()) deadline()
    }
    try {
      while (!this.#context.isShuttingDown()) await this.#incarnation()
    } catch (error) {
      // None of ours: what it was doing when it happened is over, and what it holds is given back.
      await this.#breakDown(error)
    }
    for (const timer of this.#timers) timer.cancel()
    this.#flight.close()
    this.#emitter.emit({ type: 'stop' })
    this.#context.end()
    if (this.#fatal !== undefined) throw this.#fatal
  }

  /** The deadline is over: interrupts what runs; what does not end within the abort grace is released. */
  abort(): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#context.stop()
    this.#flight.interrupt()
    // Two graces until the last run has ended, one for the last writes.
    this.#after(3 * this.#plan.abortGraceMs, () => {
      this.#cutOff = true
      this.#changes.tell()
    })
  }

  async #breakDown(error: unknown): Promise<void> {
    const { message } = toStoredError(error)
    this.#fatal ??= new WorkerError(this.#plan.name, message, { cause: error })
    this.#context.stop()
    this.#giveBack()
    if (this.#lease !== undefined) await this.#drain(undefined, this.#lease)
  }

  #after(ms: number, callback: () => void): void {
    this.#timers.add(this.#clock.setTimer(callback, ms))
  }

  async #incarnation(): Promise<void> {
    this.#context.id = newIncarnation(this.#clock)
    this.#queuePaused = false
    const over = new AbortController()
    const end = (): void => over.abort()
    this.#context.signal.addEventListener('abort', end, { once: true })
    const lease = new Lease(this.#backend, this.#context, this.#clock, {
      onBeat: (beat) => this.#beat(beat),
      onLost: () => {
        this.#loseAll()
        end()
        this.#changes.tell()
      },
      onFailure: this.#onFailure,
    })
    this.#lease = lease
    await Promise.race([lease.begin(), aborted(over.signal)])
    const stream = await this.#claimUntil(over.signal, lease)
    this.#context.signal.removeEventListener('abort', end)
    let open = stream
    if (!this.#context.isShuttingDown()) {
      // Nobody waits for the source of an incarnation that is over.
      void this.#close(stream)
      open = undefined
      await this.#leave(lease)
    }
    if (this.#context.isShuttingDown()) await this.#drain(open, lease)
  }

  /** The claims of one incarnation. */
  async #claimUntil(over: AbortSignal, lease: Lease): Promise<TaskStream<unknown> | undefined> {
    let stream: TaskStream<unknown> | undefined
    while (!over.aborted && lease.trusted) {
      if (this.#loopTime() - this.#lastTurn > TURN_MS) {
        await this.#turn()
        // Whatever changed in that turn told nobody who waits.
        continue
      }
      if (!this.#mayStart()) {
        this.#giveBack()
        await this.#changes.next()
        continue
      }
      this.#startBuffered(lease)
      if (this.#buffer.size > 0 || this.#capacity() <= 0) {
        await this.#waitForCapacity()
        continue
      }
      // What never waits has ended then, and makes room: many small claims would cost more than few large ones.
      await microtasksDone()
      if (over.aborted || !lease.trusted || !this.#mayStart() || this.#capacity() <= 0) continue
      try {
        stream ??= this.#backend.poll(this.#context)
        // What will have ended by the time the answer is here makes room as well.
        const room = Math.max(this.#capacity(), this.#stack.capacity(this.#roundTrip.aheadMs))
        const begun = this.#clock.monotonic()
        const limit = Math.min(room, this.#plan.claimBatch)
        // After an empty answer the next one will wait.
        const batch = await (this.#idleTold
          ? this.#waitForWork(stream, limit, over)
          : stream.next(limit, over))
        this.#claims.succeeded()
        if (batch === undefined) {
          this.#context.stop()
          continue
        }
        if (batch.length > 0) {
          // An empty answer may have waited for work: it says nothing about the way there and back.
          this.#roundTrip.measure(this.#clock.monotonic() - begun)
          // A task that was settled and claimed in one go: its outcome is told before it runs again.
          await microtasksDone()
        }
        // What a lost incarnation claimed goes back with it.
        if (lease.trusted) this.#take(batch)
      } catch (error) {
        if (isLeaseLostError(error)) lease.lose()
        else await this.#waitAfter(this.#claims.failed(error), over)
      }
    }
    return stream
  }

  /** Whoever waits for the event loop has had its turn by then. */
  async #waitForWork(
    stream: TaskStream<unknown>,
    limit: number,
    over: AbortSignal,
  ): ReturnType<TaskStream<unknown>['next']> {
    let turned = false
    const mark = setImmediate(() => {
      turned = true
    })
    try {
      return await stream.next(limit, over)
    } finally {
      clearImmediate(mark)
      if (turned) this.#lastTurn = this.#loopTime()
    }
  }

  #mayStart(): boolean {
    return this.#context.isRunning() && !this.#queuePaused
  }

  /** How many more tasks may start now. */
  #capacity(): number {
    if (this.#heldBack()) return 0
    return this.#stack.capacity()
  }

  /** Held back by something else than the layers. */
  #heldBack(): boolean {
    return this.#settler.unsettled >= this.#plan.acknowledgementBuffer || this.#held()
  }

  #take(batch: readonly Claimed[]): void {
    if (batch.length > 0) this.#buffer.fill(batch, this.#clock.monotonic())
    else if (!this.#idleTold) this.#emitter.emit({ type: 'idle' })
    this.#idleTold = batch.length === 0
  }

  /** Starts what waits while there is capacity, and until the event loop needs a turn. */
  #startBuffered(lease: Lease): void {
    for (let started = 1; this.#buffer.size > 0; started += 1) {
      if (!this.#mayStart() || !lease.trusted || this.#capacity() <= 0) return
      const claimed = this.#buffer.shift()
      if (claimed === undefined) return
      if ('error' in claimed) this.#settleUndecodable(claimed)
      else this.#flight.start(claimed)
      if (started % 16 === 0 && this.#loopTime() - this.#lastTurn > TURN_MS) return
    }
  }

  async #turn(): Promise<void> {
    await turn()
    this.#lastTurn = this.#loopTime()
  }

  /** Waits for capacity, or for a change; gives back what has waited for too long. */
  async #waitForCapacity(): Promise<void> {
    if (!this.#mayStart() || this.#capacity() > 0) return
    let timer: Timer | undefined
    if (this.#buffer.size > 0 && this.#backend.settle !== undefined) {
      const left = this.#buffer.since + UNSTARTED_MS - this.#clock.monotonic()
      if (left <= 0) this.#giveBack()
      else timer = this.#clock.setTimer(() => this.#changes.tell(), left)
    }
    this.#awaitsSettling = this.#heldBack()
    if (this.#awaitsSettling) await this.#changes.next()
    else await this.#stack.ready(this.#changes.signal)
    timer?.cancel()
  }

  /** Gives back what was claimed and has not started. A backend that cannot take it back lets it wait. */
  #giveBack(): void {
    if (this.#backend.settle === undefined) return
    for (const { parts } of this.#buffer.takeAll()) {
      const outcome: Outcome = { type: 'released', dueIn: 0 }
      this.#settler.add({ task: { parts }, outcome, unstarted: true })
    }
  }

  #settleUndecodable({ parts, error }: Extract<Claimed, { readonly error: unknown }>): void {
    this.#settler.add({ task: { parts }, outcome: { type: 'killed', error } })
  }

  #settle(execution: Execution, outcome: Outcome): void {
    const { startedAt, task } = execution
    // A look at the clock costs as much as all else here.
    const endedAt = this.#emitter.active ? this.#clock.monotonic() : undefined
    this.#settler.add({ task, outcome, startedAt, endedAt })
  }

  #beat({ paused, revoked }: Beat): void {
    for (const claim of revoked) {
      const unstarted = this.#buffer.takeOne(claim)
      if (unstarted === undefined) this.#flight.revoke(claim)
      else this.#emitter.emit({ type: 'lost', task: unstarted, reason: claim.reason })
    }
    if (paused !== this.#queuePaused) {
      this.#queuePaused = paused
      this.#changes.tell()
    }
    this.#emitter.emit({ type: 'heartbeat' })
  }

  /** Nothing more is written under this incarnation. */
  #loseAll(): void {
    this.#buffer.takeAll()
    this.#flight.loseAll()
    for (const { task, unstarted } of this.#settler.giveUp()) {
      if (unstarted !== true) this.#emitter.emit({ type: 'lost', task, reason: 'lease' })
    }
  }

  /** Takes leave of a lost incarnation, so that nobody counts it as dead; until that went well nothing is claimed. */
  async #leave(lease: Lease): Promise<void> {
    const calls = new SupervisedCalls('leave', this.#clock, this.#onFailure)
    while (!this.#context.isShuttingDown()) {
      try {
        await lease.end()
        return
      } catch (error) {
        await this.#waitAfter(calls.failed(error), this.#context.signal)
      }
    }
  }

  /** Gives back what has not started, and waits until every outcome is durable and the lease ended, or the time is over. */
  async #drain(stream: TaskStream<unknown> | undefined, lease: Lease): Promise<void> {
    const closing = this.#close(stream)
    while (!this.#cutOff && this.#context.hasPendingTasks()) await this.#changes.next()
    const dropped = this.#settler.giveUp().length
    if (dropped > 0) this.#emitter.emit({ type: 'dropped', what: 'outcomes', count: dropped })
    const over = new AbortController()
    await Promise.race([closing.then(() => this.#end(lease, over)), this.#whenCutOff()])
    over.abort()
  }

  async #close(stream: TaskStream<unknown> | undefined): Promise<void> {
    const unstarted = this.#buffer.takeAll()
    try {
      await stream?.close(unstarted)
    } catch (error) {
      this.#report('release', error)
    }
  }

  /** Ends the lease, and tries again for a while: what could not be given back must not wait for it to lapse. */
  async #end(lease: Lease, over: AbortController): Promise<void> {
    const { signal } = over
    const calls = new SupervisedCalls('leave', this.#clock, (error) => {
      if (!signal.aborted) this.#report('leave', error)
      return error.transient ? 'retry' : 'end'
    })
    // A backend that never answers does not keep the worker: its lease lapses.
    const late = this.#clock.setTimer(() => {
      this.#report('leave', new BackendError('leave', `no end within ${LEAVE_MS} ms`))
      over.abort()
    }, LEAVE_MS)
    do {
      try {
        await Promise.race([lease.end(), aborted(signal)])
        break
      } catch (error) {
        const delay = calls.failed(error)
        if (delay === 'end') break
        await sleep(this.#clock, delay, { signal })
      }
    } while (!signal.aborted)
    late.cancel()
  }

  async #whenCutOff(): Promise<void> {
    while (!this.#cutOff) await this.#changes.next()
  }

  /** Tells the `ackWith` listeners of an outcome that was settled; the stop waits for what they return. */
  #acknowledge({ task, outcome }: Unsettled, settled: Written): void {
    if (settled === 'stale' || settled === 'cancelled') return
    const written: Outcome =
      typeof settled === 'string' ? outcome : { type: 'killed', error: settled }
    for (const listener of this.#plan.ackWith) {
      const told = (async () => listener(written, task))()
      void this.#context.track(told.catch((error: unknown) => this.#report('acknowledge', error)))
    }
  }

  #report(operation: string, error: unknown): void {
    this.#emitter.emit({ type: 'error', operation, error })
  }

  readonly #onFailure = (error: BackendError, failuresInARow: number): 'retry' | 'end' => {
    this.#report(error.operation, error)
    if (this.#policy(error, failuresInARow) === 'retry') return 'retry'
    this.#fatal ??= new WorkerError(this.#plan.name, error.message, { cause: error })
    this.#context.stop()
    return 'end'
  }

  #policy(error: BackendError, failuresInARow: number): 'retry' | 'end' {
    try {
      const answer = this.#plan.onBackendError?.(error, failuresInARow)
      if (answer === 'retry' || answer === 'end') return answer
    } catch (failure) {
      this.#report('onBackendError', failure)
    }
    return error.transient ? 'retry' : 'end'
  }

  async #waitAfter(delay: number | 'end', signal: AbortSignal): Promise<void> {
    if (delay !== 'end') await sleep(this.#clock, delay, { signal })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
