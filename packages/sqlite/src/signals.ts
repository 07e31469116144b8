import { type FSWatcher, watch } from 'node:fs'
import { BackendError, type StoreSignal, systemClock, type Timer } from '@apalis/core'
import type { Database } from './database.ts'
import { isBusy } from './sqlite-errors.ts'
import { clamped } from './stored-values.ts'

/** How often it is looked whether another connection has committed anything, in milliseconds: */
const LOOK_EVERY_MS = {
  /** As a net, while the operating system tells of every change. */
  told: 1_000,
  /** Where it cannot. */
  untold: 20,
} as const
/** After a change it is looked at once, and under a storm of them so often. */
const STORM_MS = 5

const VERSION = 'PRAGMA data_version'
const QUEUES = `SELECT name, paused, ${clamped('switches')}, ${clamped('signs')} FROM apalis_queue`
const FIRST_SIGNAL = 'SELECT min(seq) FROM apalis_signal'
const LAST_SIGNAL = 'SELECT max(seq) FROM apalis_signal'
const SIGNALS = `SELECT s.seq, s.type, q.name, s.id FROM apalis_signal s
  JOIN apalis_queue q ON q.id = s.queue WHERE s.seq > ? ORDER BY s.seq`

interface Listener {
  readonly onSignal: (signal: StoreSignal) => void
  readonly onEnd: (error: unknown) => void
}

interface KnownQueue {
  readonly paused: boolean
  readonly switches: unknown
  readonly signs: unknown
}

/**
 * What is told to those who listen: what this connection commits, at once; and what other connections commit, found by
 * looking at the number that SQLite changes with it. When to look the operating system tells, since every commit writes to
 * the log. Looking costs a few microseconds and writes nothing; while nobody listens nobody looks.
 */
export class Signals {
  readonly #database: Database
  readonly #listeners = new Set<Listener>()
  #queues = new Map<string, KnownQueue>()
  #version: unknown
  #lastSignal = 0
  #timer: Timer | undefined
  #watcher: FSWatcher | undefined
  /** A look is coming for a reason. */
  #hurried = false
  #lookedAt = 0

  constructor(database: Database) {
    this.#database = database
  }

  /** See `TaskStore.listen`. */
  listen(
    onSignal: (signal: StoreSignal) => void,
    onEnd: (error: unknown) => void = () => {},
  ): AsyncDisposable {
    const listener: Listener = { onSignal, onEnd }
    if (this.#listeners.size === 0) this.#start()
    this.#listeners.add(listener)
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#stop()
      },
    }
  }

  /** Tells what this connection has committed. */
  tell(signals: readonly StoreSignal[]): void {
    for (const signal of signals) {
      for (const { onSignal } of this.#listeners) {
        try {
          onSignal(signal)
        } catch {
          // Signals are hints: the store and the other listeners go on. Whoever listens deals with its own errors.
        }
      }
    }
  }

  /** Nobody is told anything any more. */
  close(): void {
    this.#listeners.clear()
    this.#stop()
  }

  #start(): void {
    this.#watch()
    this.#version = this.#database.sql.value(VERSION)
    this.#queues = this.#readQueues()
    this.#lastSignal = Number(this.#database.sql.value(LAST_SIGNAL) ?? 0)
    this.#arm()
  }

  #stop(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #watch(): void {
    const { file } = this.#database
    if (file === undefined) return
    try {
      this.#watcher = watch(file.log, { persistent: false }, () => this.#hurry())
      this.#watcher.on('error', () => this.#unwatch())
    } catch {
      // No such thing here, or no more of them: then it is looked more often.
      this.#unwatch()
    }
  }

  #unwatch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#arm()
  }

  #hurry(): void {
    if (this.#hurried || this.#timer === undefined) return
    this.#hurried = true
    this.#set(Math.max(0, this.#lookedAt + STORM_MS - systemClock.monotonic()))
  }

  #arm(): void {
    // What is in memory no other connection can change.
    if (this.#database.file === undefined) return
    this.#set(this.#watcher === undefined ? LOOK_EVERY_MS.untold : LOOK_EVERY_MS.told)
  }

  /** In real time, whatever the storage's clock is: other connections live in that. It keeps no process alive. */
  #set(ms: number): void {
    this.#timer?.cancel()
    this.#timer = systemClock.setTimer(() => this.#look(), ms, { background: true })
  }

  #look(): void {
    this.#hurried = false
    this.#lookedAt = systemClock.monotonic()
    try {
      const problem = this.#database.problem()
      if (problem !== undefined) {
        const message = `${this.#database.path}: ${problem}`
        throw new BackendError('listen', message, { applied: 'no' })
      }
      const version = this.#database.sql.value(VERSION)
      if (version !== this.#version) {
        this.#tellNews()
        this.#version = version
      }
      this.#arm()
    } catch (error) {
      // Somebody has the file for himself for a moment: the next look finds what there is to find.
      if (isBusy(error)) this.#arm()
      else this.#end(error)
    }
  }

  #tellNews(): void {
    const news: StoreSignal[] = []
    const queues = this.#readQueues()
    for (const [queue, { paused, switches, signs }] of queues) {
      const known = this.#queues.get(queue)
      if ((known?.signs ?? 0) !== signs) news.push({ type: 'due', queue })
      if ((known?.switches ?? 0) !== switches) {
        news.push({ type: paused ? 'paused' : 'resumed', queue })
      }
    }
    this.#queues = queues
    news.push(...this.#newSignals(queues.keys()))
    this.tell(news)
  }

  #newSignals(queues: Iterable<string>): readonly StoreSignal[] {
    const { sql } = this.#database
    const first = sql.value(FIRST_SIGNAL)
    if (typeof first === 'number' && first > this.#lastSignal + 1) {
      // Too many for those that are kept: any task of any queue may have been among them.
      this.#lastSignal = Number(sql.value(LAST_SIGNAL))
      return Array.from(queues, (queue) => [
        { type: 'settled', queue } as const,
        { type: 'killed', queue } as const,
      ]).flat()
    }
    const byKind = new Map<string, StoreSignal & { readonly ids: string[] }>()
    for (const [seq, type, queue, id] of sql.rows(SIGNALS, this.#lastSignal)) {
      this.#lastSignal = Number(seq)
      if (type !== 'settled' && type !== 'killed') continue
      const kind = `${type} ${String(queue)}`
      const signal = byKind.get(kind)
      if (signal === undefined) byKind.set(kind, { type, queue: String(queue), ids: [String(id)] })
      else signal.ids.push(String(id))
    }
    return [...byKind.values()]
  }

  #readQueues(): Map<string, KnownQueue> {
    return new Map(
      this.#database.sql
        .rows(QUEUES)
        .map(([name, paused, switches, signs]) => [
          String(name),
          { paused: paused !== 0, switches, signs },
        ]),
    )
  }

  /** Listening has ended by itself. */
  #end(error: unknown): void {
    this.#stop()
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const { onEnd } of listeners) onEnd(error)
  }
}
