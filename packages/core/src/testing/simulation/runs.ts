import { isInterruptedError } from '../../errors/task-errors.ts'
import { suspectRescues } from '../../storage/task-store.ts'
import type { History } from './history.ts'
import type { Actor, Leases } from './leases.ts'
import type { RunEnd } from './stored-task.ts'

/** One run of a handler. */
export interface RunRecord {
  readonly queue: string
  readonly id: string
  readonly epoch: number
  readonly incarnation: string
  readonly actor: Actor
  /** What the worker, or all that share a limit, are bounded by. */
  readonly bound: RunBound
  readonly suspect: boolean
  /** Returned, or threw. */
  over: boolean
  /** Its signal has aborted: what it still does is nobody's. */
  aborted: boolean
  /** Its claim was ended or taken from outside. */
  revoked: boolean
}

/** How many handlers may run at once. */
export interface RunBound {
  readonly name: string
  readonly limit: number
  /** Whether a handler that has failed may be called again in the same run. */
  readonly again: boolean
}

/** A run whose lease is over may go on for so long before its signal aborts, in milliseconds: its timer may be late. */
const ABORT_MS = 1_000

/** Every run of a handler, and whether they may have been: one at a time, under a trusted lease, no more than fit. */
export class Runs {
  readonly #history: History
  readonly #leases: Leases
  readonly #maxRescues: number
  /** Those that may still do something. */
  readonly #open = new Set<RunRecord>()
  /** By queue and task, then by epoch, what became of its runs. */
  readonly #began = new Map<string, Map<number, RunEnd>>()
  /** Claims that were ended or taken from outside. */
  readonly #revoked = new Set<string>()
  /** How often a task that kills its process has done so since it was last pushed, retried or taken back. */
  readonly #kills = new Map<string, number>()
  /** How many there were. */
  count = 0

  constructor(history: History, leases: Leases, maxRescues: number) {
    this.#history = history
    this.#leases = leases
    this.#maxRescues = maxRescues
  }

  /** A handler begins. */
  begins(
    run: Omit<RunRecord, 'suspect' | 'over' | 'aborted' | 'revoked'>,
    rescues: number,
  ): RunRecord {
    const suspect = rescues >= suspectRescues
    const revoked = this.#revoked.has(claimOf(run))
    const record = { ...run, suspect, over: false, aborted: false, revoked }
    this.count += 1
    this.#history.progress()
    this.#checkOwner(record)
    this.#open.add(record)
    const running = this.running(record.bound)
    if (running > record.bound.limit) {
      const { name, limit } = record.bound
      this.#history.fail('bounded', `${name} runs ${running} handlers where ${limit} may run`)
    }
    return record
  }

  #checkOwner(run: RunRecord): void {
    const { id, epoch, incarnation, actor } = run
    const epochs = this.#epochsOf(run.queue, id)
    if (!epochs.has(epoch)) epochs.set(epoch, { returned: false, interrupted: false })
    else if (!run.bound.again) this.#history.fail('one owner', `${id}@${epoch} ran twice`)
    const { trustedUntil = 0, name } = this.#leases.find(incarnation) ?? {}
    if (trustedUntil <= this.#history.now) {
      this.#history.fail('one owner', `${id}@${epoch} began although ${name} has no trusted lease`)
    }
    for (const other of this.#open) {
      if (!this.#counts(other)) continue
      const others = `${other.id}@${other.epoch} of ${this.#leases.nameOf(other.incarnation)}`
      const same = other.id === id && other.queue === run.queue
      if (same && !run.revoked && this.#mustNotOverlap(other)) {
        this.#history.fail('one owner', `${id}@${epoch} began while ${others} was running`)
      }
      if (run.suspect && other.suspect && other.actor === actor) {
        this.#history.fail('budgets', `suspect ${id} began beside suspect ${others}`)
      }
    }
  }

  /** Whether a run counts as under way. */
  #counts({ over, aborted, revoked, actor }: RunRecord): boolean {
    return !over && !aborted && !revoked && actor.state !== 'dead'
  }

  /** Whether nobody else may run its task: its lease is honoured, or it had the time to notice that it is not. */
  #mustNotOverlap({ incarnation, actor }: RunRecord): boolean {
    if (this.#leases.isHonoured(incarnation)) return true
    const lease = this.#leases.find(incarnation)
    const knew = Math.max(lease?.trustedUntil ?? 0, actor.runsSince) + ABORT_MS
    return actor.state === 'running' && this.#history.now > knew
  }

  /** A worker asks for tasks. */
  claims(bound: RunBound): void {
    const running = this.running(bound)
    if (running < bound.limit) return
    this.#history.fail('bounded', `${bound.name} claims while it runs ${running} of ${bound.limit}`)
  }

  ends(run: RunRecord, returned: boolean): void {
    run.over = true
    this.#open.delete(run)
    const end = this.endOf(run.queue, run.id, run.epoch)
    if (end !== undefined) end.returned ||= returned
    this.#history.progress()
  }

  /** Its signal has aborted. */
  aborts(run: RunRecord, reason: unknown): void {
    run.aborted = true
    const end = this.endOf(run.queue, run.id, run.epoch)
    if (end !== undefined && isInterruptedError(reason)) end.interrupted = true
  }

  /** What is known of the run of a claim. */
  endOf(queue: string, id: string, epoch: number): RunEnd | undefined {
    return this.#epochsOf(queue, id).get(epoch)
  }

  /** A task of that id is stored anew. */
  forget(queue: string, id: string): void {
    this.#began.delete(`${queue} ${id}`)
  }

  #epochsOf(queue: string, id: string): Map<number, RunEnd> {
    const key = `${queue} ${id}`
    let epochs = this.#began.get(key)
    if (epochs === undefined) {
      epochs = new Map()
      this.#began.set(key, epochs)
    }
    return epochs
  }

  /** How many handlers a bound has under way. Those that ignore that they were aborted do not count. */
  running(bound: RunBound): number {
    let count = 0
    for (const run of this.#open) {
      if (run.bound === bound && !run.over && !run.aborted && run.actor.state !== 'dead') count += 1
    }
    return count
  }

  /** How many handlers of a process have not returned, aborted or not. */
  openIn(actor: Actor): number {
    let count = 0
    for (const run of this.#open) if (run.actor === actor) count += 1
    return count
  }

  /** Somebody ended or took the claim of a task from outside. */
  revoked(claim: Pick<RunRecord, 'queue' | 'id' | 'epoch'>): void {
    // What it brought may still be on its way to the worker.
    this.#revoked.add(claimOf(claim))
    for (const run of this.#open) if (claimOf(run) === claimOf(claim)) run.revoked = true
  }

  /** A task kills the process that runs it. */
  kills(queue: string, id: string): void {
    const key = `${queue} ${id}`
    const kills = (this.#kills.get(key) ?? 0) + 1
    this.#kills.set(key, kills)
    if (kills > this.#maxRescues) {
      this.#history.fail(
        'budgets',
        `${id} killed ${kills} processes where ${this.#maxRescues} may die`,
      )
    }
  }

  /** Its deaths count anew, or the last one does not count. */
  pardoned(queue: string, id: string, all: boolean): void {
    const key = `${queue} ${id}`
    const kills = all ? 0 : Math.max(0, (this.#kills.get(key) ?? 0) - 1)
    this.#kills.set(key, kills)
  }
}

function claimOf({ queue, id, epoch }: Pick<RunRecord, 'queue' | 'id' | 'epoch'>): string {
  return `${queue} ${id}@${epoch}`
}
