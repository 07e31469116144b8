import type { StoreSignal } from '@apalis/core'
import { systemClock } from '@apalis/core'

/** Two messages are at least so far apart, in milliseconds: what happens meanwhile is told together. */
const APART_MS = 5
/** The server takes no message of 8,000 bytes or more. A character is at most three. */
const LONGEST = 2_500

type Told = StoreSignal['type']

/** Hears of a signal, and answers true when somebody waited for it. */
type Hear = (signal: StoreSignal) => boolean | void

/** What {@link Signals} works with. */
export interface SignalsDeps {
  /** Who sends: its own messages it does not hear again. */
  readonly sender: string
  readonly send: (payload: string) => Promise<unknown>
}

/** A message as it is sent: queues by type, with ids where there are any. */
type Message = {
  readonly from?: string
  /** Sent only to find out whether it is heard. */
  readonly probe?: string
} & { readonly [type in Told]?: { readonly [queue: string]: readonly string[] } }

/** What is told to those who listen: what this storage does, at once; and what others do, as they say it. */
export class Signals {
  readonly #deps: SignalsDeps
  readonly #listeners = new Set<Hear>()
  /** By type and queue, what is to be told to other processes. */
  #waiting = new Map<string, { readonly signal: StoreSignal; readonly ids: Set<string> }>()
  readonly #probes = new Map<string, () => void>()
  #sending: Promise<void> | undefined
  #sentAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(deps: SignalsDeps) {
    this.#deps = deps
  }

  /** Calls back until what it gives back is called. */
  add(listener: Hear): () => void {
    // Its own, so that one that was added twice is two.
    const own: Hear = (signal) => listener(signal)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Something was committed: tells it here now, and to the others soon. */
  tell(signals: readonly StoreSignal[]): void {
    if (this.#closed) return
    let claimed = true
    for (const signal of signals) {
      const waitedFor = this.#deliver(signal)
      claimed &&= signal.type === 'due' && waitedFor
      const key = `${signal.type} ${signal.queue}`
      const waiting = this.#waiting.get(key) ?? { signal, ids: new Set<string>() }
      for (const id of signal.ids ?? []) waiting.ids.add(id)
      this.#waiting.set(key, waiting)
    }
    if (this.#waiting.size > 0 && !this.#closed) this.#sending ??= this.#send(claimed)
  }

  /** Settles when all that was told by now has been sent. */
  async sent(): Promise<void> {
    await this.#sending
  }

  /** Sends something to itself, and answers whether it comes back in time. */
  async probe(send: (payload: string) => Promise<unknown>, ms: number): Promise<boolean> {
    const probe = crypto.randomUUID()
    const heard = new Promise<boolean>((resolve) => {
      const timer = systemClock.setTimer(() => resolve(false), ms)
      this.#probes.set(probe, () => {
        timer.cancel()
        resolve(true)
      })
    })
    try {
      await send(JSON.stringify({ probe }))
      return await heard
    } finally {
      this.#probes.delete(probe)
    }
  }

  /** Tells it here only. */
  deliver(signals: readonly StoreSignal[]): void {
    for (const signal of signals) this.#deliver(signal)
  }

  /** Another process has told something. What cannot be read is nobody's. */
  heard(payload: string | undefined): void {
    const message = parse(payload)
    if (message === undefined || message.from === this.#deps.sender) return
    if (message.probe !== undefined) this.#probes.get(message.probe)?.()
    for (const type of types) {
      const queues: unknown = message[type]
      if (typeof queues !== 'object' || queues === null || Array.isArray(queues)) continue
      for (const [queue, ids] of Object.entries(queues)) {
        this.#deliver({ type, queue, ...(Array.isArray(ids) && ids.length > 0 && { ids }) })
      }
    }
  }

  /** Nobody here is told anything any more, and nothing new is told to others. */
  close(): void {
    this.#closed = true
    this.#listeners.clear()
  }

  /** `claimed`: whoever waited for it here is about to claim it. That goes first, and others are not woken for nothing. */
  async #send(claimed: boolean): Promise<void> {
    const pause = claimed ? APART_MS : this.#sentAt + APART_MS - systemClock.monotonic()
    if (pause > 0) await later(pause)
    // What was committed in this turn goes with it.
    else await Promise.resolve()
    while (this.#waiting.size > 0) {
      const waiting = this.#waiting
      this.#waiting = new Map()
      for (const payload of payloads(this.#deps.sender, waiting.values())) {
        try {
          await this.#deps.send(payload)
        } catch {
          // A hint that is lost: beats tell what is due, and whoever waits looks again.
        }
      }
      this.#sentAt = systemClock.monotonic()
      if (this.#waiting.size > 0) await later(APART_MS)
    }
    this.#sending = undefined
  }

  /** Whether somebody here waited for it. */
  #deliver(signal: StoreSignal): boolean {
    let waitedFor = false
    for (const listener of this.#listeners) {
      try {
        if (listener(signal) === true) waitedFor = true
      } catch {
        // Whoever listens deals with its own errors; the others go on.
      }
    }
    return waitedFor
  }
}

/** What tells of due tasks once a transaction of the caller's is committed, the process of the caller included. */
export function dueMessage(queue: string): string {
  return JSON.stringify({ due: { [queue]: [] } })
}

const types = ['due', 'settled', 'killed', 'paused', 'resumed'] as const satisfies readonly Told[]

function* payloads(
  from: string,
  waiting: Iterable<{ readonly signal: StoreSignal; readonly ids: ReadonlySet<string> }>,
): Generator<string> {
  let message: { [type in Told]?: { [queue: string]: readonly string[] } } = {}
  let length = 0
  for (const { signal, ids } of waiting) {
    const { type, queue } = signal
    // Too many to name are any of them.
    const named = JSON.stringify([...ids]).length > LONGEST / 2 ? [] : [...ids]
    const added = JSON.stringify([queue, named]).length + 16
    if (length > 0 && length + added > LONGEST) {
      yield JSON.stringify({ from, ...message })
      message = {}
      length = 0
    }
    message[type] = { ...message[type], [queue]: named }
    length += added
  }
  if (length > 0) yield JSON.stringify({ from, ...message })
}

function parse(payload: string | undefined): Message | undefined {
  try {
    const message: unknown = JSON.parse(payload ?? '')
    return typeof message === 'object' && message !== null ? message : undefined
  } catch {
    return undefined
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.setTimer(resolve, ms)
  })
}
