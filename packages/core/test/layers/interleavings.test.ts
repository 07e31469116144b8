import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  AbortError,
  InterruptedError,
  LeaseLostError,
  RetryAfterError,
  TaskKilledError,
  TimeoutError,
} from '../../src/errors/task-errors.ts'
import { acknowledge } from '../../src/layers/acknowledge.ts'
import { circuitBreaker } from '../../src/layers/circuit-breaker.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { filter } from '../../src/layers/filter.ts'
import { loadShed } from '../../src/layers/load-shed.ts'
import { mapError } from '../../src/layers/map-error.ts'
import { rateLimit } from '../../src/layers/rate-limit.ts'
import { retry } from '../../src/layers/retry.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { around } from '../../src/service/around.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { use } from '../../src/service/use.ts'
import { constant } from '../../src/task/backoff.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { type TestRequest, testRequest } from '../../src/testing/test-request.ts'
import { turn } from '../../src/time/clock.ts'
import type { NamedLayer, RawLayer, RawService } from '../../src/worker/plan.ts'
import { composeStack, type Stack } from '../../src/worker/stack.ts'
import { tracking } from '../../src/worker/tracking.ts'
import { ManualClock } from './manual-clock.ts'

const LIMIT = 2
const RATE = { limit: 3, per: 100, burst: 2 }
const BREAKER = { failures: 1, recovery: 60, probes: 2, successes: 2 }

/** Layers around the limits; a line each. */
const others: Readonly<Record<string, () => RawLayer>> = {
  retry: () => retry({ times: 3, backoff: constant(10), maxWait: 40 }),
  'retry at once': () => retry({ times: 2, backoff: constant(0), maxWait: 0 }),
  timeout: () => timeout(25, { grace: 5 }),
  loadShed: () => loadShed(),
  filter: () => filter(async () => true as const),
  mapError: () => mapError(async (error) => error),
  acknowledge: () => acknowledge(() => turn()),
  late: () =>
    use(async (_, next) => {
      await turn()
      return await next()
    }),
  forwarding: () => (inner) => around(inner, (request: TaskRequest) => inner.call(request)),
}

const limits = ['concurrency', 'rateLimit', 'circuitBreaker'] as const
const order = fc.shuffledSubarray([...limits, ...Object.keys(others)], { minLength: 1 })

const ends = ['respond', 'throw', 'throw AbortError', 'throw snooze', 'hang'] as const
const reasons = ['timeout', 'killed', 'lost', 'interrupted'] as const
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('call' as const), worker: fc.nat(1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      which: fc.nat(9),
      how: fc.constantFrom(...ends),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('abort' as const),
      which: fc.nat(9),
      reason: fc.constantFrom(...reasons),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('move' as const), ms: fc.nat(70) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('turn' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stop' as const), worker: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('ready' as const), worker: fc.nat(1) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

/** How often there was something to hold. */
const met = { full: 0, exhausted: 0, opened: 0, probed: 0, refused: 0, retried: 0, onTheWay: 0 }

/** Two workers with the same layers, whose limits they share, and everything that was called. */
class Scene {
  readonly clock = new ManualClock()
  readonly concurrency = concurrency(LIMIT)
  readonly rateLimit = rateLimit(RATE)
  readonly circuitBreaker = circuitBreaker(BREAKER)
  readonly workers = [new TestContext('one'), new TestContext('other')]
  readonly stacks: readonly Stack[]
  readonly capacities: readonly number[]
  readonly requests: TestRequest<number>[] = []
  readonly running: ((how: (typeof ends)[number]) => void)[] = []
  readonly violations: string[] = []
  begun = 0
  settled = 0
  /** Of what stands directly inside of each limit. */
  #inConcurrency = 0
  readonly #passed: number[] = []
  readonly #waiting = new AbortController()
  /** Probes in flight, by how often the circuit had opened. */
  readonly #probing = new Map<number, number>()

  constructor(names: readonly string[]) {
    this.stacks = this.workers.map(() => this.#stack(names))
    this.capacities = this.#capacities()
  }

  async step(step: Step): Promise<void> {
    const worker = 'worker' in step ? step.worker : 0
    if (step.type === 'call') this.#call(worker)
    else if (step.type === 'end') this.running[step.which % this.running.length]?.(step.how)
    else if (step.type === 'abort') this.#abort(step.which, step.reason)
    else if (step.type === 'move') this.clock.move(step.ms)
    else if (step.type === 'stop') this.#stop(worker)
    else if (step.type === 'ready') void this.stacks[worker]?.ready(this.#waiting.signal)
    else await turn()
    this.#look(step.type === 'call')
  }

  /** Ends everything, and waits until every limit would be as at first. */
  async rest(): Promise<void> {
    for (let rounds = 0; this.settled < this.begun; rounds += 1) {
      assert(rounds < 200, 'a call never ends')
      for (const end of this.running) end('respond')
      this.clock.move(10)
      await turns(4)
    }
    // What a timeout left behind ends as well.
    await turns(8)
    this.clock.move(10_000)
    await turns(2)
    this.#waiting.abort()
    await turns(2)
    await this.#close()
    this.clock.move(10_000)
    await turns(2)
  }

  check(): void {
    assert.deepEqual(this.violations, [])
    const { refused, opened } = this.circuitBreaker.statistics
    met.refused += refused
    met.opened += opened
    for (const { events } of this.workers) {
      met.retried += events.filter((event) => 'name' in event && event.name === 'retry').length
    }
    assert.equal(this.concurrency.inFlight, 0)
    assert.equal(this.rateLimit.tokens, RATE.burst)
    assert.equal(this.circuitBreaker.state, 'closed')
    assert.deepEqual(this.#capacities(), this.capacities)
    assert.equal(this.clock.timers, 0)
    for (const worker of this.workers) assert.equal(worker.taskCount, 0)
  }

  /** A circuit that has recovered admits exactly its probes, and closes when they succeed. */
  async #close(): Promise<void> {
    const service = this.circuitBreaker({ call: () => 'well' })
    for (let probes = 0; this.circuitBreaker.state !== 'closed'; probes += 1) {
      assert.equal(this.circuitBreaker.state, 'half-open')
      assert.equal(service.capacity?.(), BREAKER.probes)
      assert(probes < BREAKER.successes, 'it does not close')
      await service.call(testRequest('', { clock: this.clock }))
    }
  }

  #capacities(): number[] {
    return this.stacks.map((stack) => stack.capacity())
  }

  #worker(index: number): TestContext {
    const worker = this.workers[index]
    assert(worker !== undefined)
    return worker
  }

  #call(worker: number): void {
    const { clock } = this
    const request = testRequest(this.begun, { clock, worker: this.#worker(worker) })
    this.requests.push(request)
    this.begun += 1
    const end = (): void => {
      this.settled += 1
    }
    try {
      Promise.resolve(this.stacks[worker]?.call(request)).then(end, end)
    } catch {
      end()
    }
  }

  #abort(which: number, reason: (typeof reasons)[number]): void {
    const request = this.requests[which % this.requests.length]
    const errors = {
      timeout: () => new TimeoutError('task', 1),
      killed: () => new TaskKilledError('task'),
      lost: () => new LeaseLostError('worker'),
      interrupted: () => new InterruptedError(),
    }
    request?.abort(errors[reason]())
  }

  /** Stops a worker, and interrupts what it runs, as at the end of a shutdown deadline. */
  #stop(worker: number): void {
    this.#worker(worker).stop()
    for (const request of this.requests) {
      if (request.worker === this.#worker(worker)) request.abort(new InterruptedError())
    }
  }

  #look(closely: boolean): void {
    for (const capacity of this.#capacities()) {
      if (!(capacity >= 0)) this.violations.push(`a capacity of ${capacity}`)
    }
    for (const { reason } of closely ? this.stacks.flatMap((stack) => stack.layers()) : []) {
      if (reason?.includes('way') === true) met.onTheWay += 1
    }
    if (this.concurrency.inFlight === LIMIT) met.full += 1
    if (this.rateLimit.tokens === 0) met.exhausted += 1
    if (this.concurrency.inFlight > LIMIT) this.violations.push('more permits than there are')
  }

  #stack(names: readonly string[]): Stack {
    const layers = names.flatMap((name): NamedLayer[] => {
      const made = others[name]?.()
      if (made !== undefined) return [{ name, layer: made }]
      const limit = this[name as (typeof limits)[number]]
      return [
        { name, layer: limit },
        { name: `inside ${name}`, layer: this.#guard(name) },
      ]
    })
    const { clock } = this
    const handler = { call: (request: TaskRequest) => this.#handle(request) }
    return composeStack({
      layers,
      innermost: tracking(handler, 5, clock),
      clock,
      onError: (name, error) => void this.violations.push(`${name}: ${String(error)}`),
    })
  }

  /** Stands directly inside of a limit, and counts what it lets through. */
  #guard(name: string): RawLayer {
    if (name === 'concurrency') {
      return (inner) =>
        around(inner, (request: TaskRequest) => {
          this.#inConcurrency += 1
          if (this.#inConcurrency > LIMIT) this.violations.push('too many calls at once')
          return passed(inner, request, () => (this.#inConcurrency -= 1))
        })
    }
    if (name === 'rateLimit') {
      return (inner) =>
        around(inner, (request: TaskRequest) => {
          const now = this.clock.monotonic()
          this.#passed.push(now)
          const recent = this.#passed.filter((at) => at > now - RATE.per).length
          if (recent > RATE.limit + RATE.burst - 1) this.violations.push('too many in a window')
          return inner.call(request)
        })
    }
    return (inner) =>
      around(inner, (request: TaskRequest) => {
        const { state, statistics } = this.circuitBreaker
        if (state === 'open') this.violations.push('a call through an open circuit')
        if (state === 'closed') return inner.call(request)
        met.probed += 1
        // A probe that outlives the opening of the circuit is not one of those after it.
        const count = (more: number): number => {
          const inFlight = (this.#probing.get(statistics.opened) ?? 0) + more
          this.#probing.set(statistics.opened, inFlight)
          return inFlight
        }
        if (count(1) > BREAKER.probes) this.violations.push('too many probes')
        return passed(inner, request, () => count(-1))
      })
  }

  #handle(request: TaskRequest): unknown {
    const kind = Number(request.task.args) % 7
    if (kind === 5) return 'at once'
    if (kind === 6) throw new Error('at once')
    return new Promise((resolve, reject) => {
      const end = (how: (typeof ends)[number]): void => {
        if (how === 'hang') return
        const index = this.running.indexOf(end)
        if (index >= 0) this.running.splice(index, 1)
        if (how === 'respond') resolve('done')
        else if (how === 'throw') reject(new Error('thrown'))
        else if (how === 'throw AbortError') reject(new AbortError('hopeless'))
        else reject(new RetryAfterError('later', 5, { countAttempt: false }))
      }
      this.running.push(end)
      // Every third handler listens to its signal.
      if (kind % 3 === 0) request.signal.addEventListener('abort', () => end('throw'))
    })
  }
}

/** Calls `inner`, and `leave` when that has ended; what is synchronous stays so. */
function passed(inner: RawService, request: TaskRequest, leave: () => unknown): unknown {
  let result: unknown
  try {
    result = inner.call(request)
  } catch (error) {
    leave()
    throw error
  }
  if (result instanceof Promise) return result.finally(leave)
  leave()
  return result
}

async function turns(count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) await turn()
}

test('10,000 random interleavings leave every limit as it was, and exceed none', async () => {
  const property = fc.asyncProperty(
    order,
    fc.array(step, { minLength: 12, maxLength: 30 }),
    async (names, steps) => {
      const scene = new Scene(names)
      for (const one of steps) await scene.step(one)
      await scene.rest()
      scene.check()
    },
  )
  await fc.assert(property, { numRuns: 10_000, seed: 20_260_101 })
  // The interleavings met what they are for.
  for (const [what, times] of Object.entries(met)) assert(times > 500, `${what}: ${times} times`)
})
