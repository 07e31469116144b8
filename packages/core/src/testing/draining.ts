import type { Backend } from '../backend/backend.ts'
import { toStoredError } from '../errors/stored-error.ts'
import { render } from '../internal/render.ts'
import type { Metrics } from '../storage/capabilities.ts'
import type { QueueContext } from '../task/task.ts'
import { sleep, systemClock } from '../time/clock.ts'
import { type Drained, type DrainedEnd, drainedOf, DrainError } from './drained.ts'
import { quiet } from './quiet.ts'
import { type Listed, type ListedQueue, pagesOf } from './task-pages.ts'
import type { TestClock } from './test-clock.ts'
import type { TestWorker } from './test-worker.ts'

/** A queue and the worker that empties it. */
export interface Lane {
  readonly queue: Backend<unknown, never, QueueContext> & ListedQueue<unknown> & Metrics
  readonly worker: TestWorker
}

/** The checked options of a drain. */
export interface DrainLimits {
  readonly limit: number
  readonly withinMs: number
  /** With `advanceMs`: the clock of all queues. */
  readonly clock?: TestClock
  readonly advanceMs?: number
}

/** So many tasks of a queue stand in a message. */
const MOST_SHOWN = 5
/** How long it may take to find out what remains. */
const LOOK_MS = 1_000
const WAITING = ['pending', 'failed'] as const

/** One drain: runs what is due, lane after lane, until nothing is. */
export class Draining {
  readonly #lanes: readonly Lane[]
  readonly #limits: DrainLimits
  readonly #ends: DrainedEnd[] = []
  /** Nobody waits for it any more. */
  #over = false

  constructor(lanes: readonly Lane[], limits: DrainLimits) {
    this.#lanes = lanes
    this.#limits = limits
  }

  /** Once. */
  async run(): Promise<Drained> {
    const { withinMs } = this.#limits
    const inTime = new AbortController()
    const late = sleep(systemClock, withinMs, { signal: inTime.signal }).then(async () => {
      if (!this.#over) await this.#fail(`it took longer than ${withinMs} ms`)
    })
    try {
      await Promise.race([this.#drain(), late])
      return drainedOf(this.#ends)
    } finally {
      this.#over = true
      inTime.abort()
      // What still runs is interrupted, and not waited for: it may never end.
      for (const { worker } of this.#lanes) worker.abort()
      await Promise.race([this.#stop(), quiet()])
    }
  }

  async #drain(): Promise<void> {
    const { clock, advanceMs = 0 } = this.#limits
    const until = clock === undefined ? 0 : clock.now() + advanceMs
    do await this.#runDue()
    while (clock !== undefined && (await this.#moveOn(clock, until)))
    await this.#stop()
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#lanes.map(({ worker }) => worker.stop()))
  }

  /** Runs what is due, until nothing is and nobody is about to push anything. */
  async #runDue(): Promise<void> {
    for (let still = 0; still < 2 && !this.#over; still += 1) {
      const due = await this.#due()
      if (await this.#round()) still = -1
      else if (due && (await this.#due())) await this.#fail('tasks are due that do not run')
      else if (still === 0) await quiet()
    }
  }

  /** Empties one lane after the other. Says whether anything ran. */
  async #round(): Promise<boolean> {
    const before = this.#ends.length
    for (const { queue, worker } of this.#lanes) {
      for (;;) {
        await this.#mayRun()
        const end = await worker.executeNext()
        if (end === undefined || this.#over) break
        this.#ends.push({ ...end, queue: queue.name })
      }
    }
    return this.#ends.length > before
  }

  async #mayRun(): Promise<void> {
    const { limit } = this.#limits
    if (this.#ends.length < limit || !(await this.#due())) return
    await this.#fail(`it ran ${limit} tasks, and more are due`)
  }

  async #due(): Promise<boolean> {
    const metrics = await Promise.all(this.#lanes.map(({ queue }) => queue.metrics()))
    return metrics.some(({ due }) => due > 0)
  }

  /** Moves the clock to when the next task is due; false when that is too late, or never. */
  async #moveOn(clock: TestClock, until: number): Promise<boolean> {
    let next = Infinity
    for (const { queue } of this.#lanes) {
      for (const status of WAITING) {
        for await (const { tasks } of pagesOf(queue, status)) {
          for (const { parts } of tasks) next = Math.min(next, parts.runAt.getTime())
        }
      }
    }
    if (next > until || this.#over) return false
    await clock.advance(Math.max(0, next - clock.now()))
    return true
  }

  async #fail(why: string): Promise<never> {
    const enough = new AbortController()
    const remains = await Promise.race([
      Promise.all(this.#lanes.map(({ queue }) => remainsOf(queue))).catch((error: unknown) => [
        `  nobody knows: ${toStoredError(error).message}`,
      ]),
      sleep(systemClock, LOOK_MS, { signal: enough.signal }).then(() => [
        '  nobody knows: the storage does not answer',
      ]),
    ])
    enough.abort()
    const lines = remains.filter((text) => text !== '')
    const what = lines.length === 0 ? ' no task' : `\n${lines.join('\n')}`
    throw new DrainError(`drain gave up: ${why}; what remains:${what}`, drainedOf(this.#ends))
  }
}

/** What of a queue has not ended; empty when all has. */
async function remainsOf(queue: Lane['queue']): Promise<string> {
  const { due, running, pending, failed, paused } = await queue.metrics()
  if (running + pending + failed === 0) return ''
  const counts = `${due} due, ${running} running, ${pending + failed - due} later`
  const lines = [`  queue "${queue.name}"${paused ? ' (paused)' : ''}: ${counts}`]
  for (const status of ['running', ...WAITING] as const) {
    for await (const { tasks } of pagesOf(queue, status)) {
      lines.push(...tasks.slice(0, MOST_SHOWN + 1 - lines.length).map(lineOf))
      if (lines.length > MOST_SHOWN) return lines.join('\n')
    }
  }
  return lines.join('\n')
}

function lineOf(task: Listed<unknown>): string {
  const { taskId, status, attempt, context } = task.parts
  const what = 'error' in task ? render(task.error) : render(task.args)
  const last = context.errors.at(-1)
  const failure = last === undefined ? '' : `, last ${last.name}: ${last.message}`
  return `    task ${taskId} (${status}, attempt ${attempt.current})${failure}: ${what}`
}
