import { channel } from 'node:diagnostics_channel'
import type { Clock } from '../time/clock.ts'
import type { Event, EventTask } from './events.ts'
import type { RunEnd } from './request.ts'

/** A statement that stored tasks, or failed to: concurrent pushes share one. */
export interface PushMessage {
  readonly queue: string
  /** Of the tasks in order; for one whose id or unique key was taken, that of its holder. */
  readonly ids: readonly string[]
  /** How many of them were there already. */
  readonly existing: number
  readonly durationMs: number
  readonly error?: unknown
}

/** A claim, or one that failed. */
export interface ClaimMessage {
  readonly queue: string
  /** The worker's incarnation. */
  readonly incarnation: string
  /** How many it asked for. */
  readonly limit: number
  /** What it got, in the order to run them. */
  readonly ids: readonly string[]
  readonly durationMs: number
  readonly error?: unknown
}

/** A run of a task begins: its way through the layers. */
export interface RunStartMessage {
  readonly worker: string
  readonly queue: string
  /** The same object as at its end. */
  readonly task: EventTask
}

/** A run of a task has ended; its outcome is decided and not durable yet. */
export interface RunEndMessage extends RunStartMessage, RunEnd {
  readonly durationMs: number
}

/** Outcomes written in one call, or one that failed and will be repeated. */
export interface SettleMessage {
  readonly queue: string
  readonly incarnation: string
  readonly tasks: readonly SettledTask[]
  readonly durationMs: number
  readonly error?: unknown
}

/** One outcome, and what the storage said to it. */
export interface SettledTask {
  readonly id: string
  readonly epoch: number
  readonly outcome: 'done' | 'failed' | 'killed' | 'released'
  /** Absent where the call failed; an error: it was stored as killed with that; `completed`: its handler had settled it. */
  readonly answer?: 'applied' | 'repeated' | 'stale' | 'cancelled' | 'completed' | Error
}

/** Tasks taken from workers that died. */
export interface RescueMessage {
  readonly queue: string
  readonly tasks: readonly {
    readonly id: string
    readonly rescues: number
    readonly outcome: 'pending' | 'killed'
  }[]
}

/** Something happened in a monitor. */
export interface MonitorMessage {
  /** `start`, `shutdown` and `stop` are the monitor's own; the others are about one worker. */
  readonly type: 'start' | 'worker' | 'failure' | 'givenUp' | 'shutdown' | 'stop'
  /** The name of the worker. */
  readonly worker?: string
  /** How often it was made again. */
  readonly restarts?: number
  /** What it failed with. */
  readonly error?: unknown
}

/** What is published on which channel of `node:diagnostics_channel`. */
export interface DiagnosticMessages {
  readonly 'apalis:push': PushMessage
  readonly 'apalis:claim': ClaimMessage
  readonly 'apalis:start': RunStartMessage
  readonly 'apalis:end': RunEndMessage
  readonly 'apalis:settle': SettleMessage
  readonly 'apalis:rescue': RescueMessage
  readonly 'apalis:worker': Event
  readonly 'apalis:monitor': MonitorMessage
}

/** A channel that takes messages of one kind. */
export interface DiagnosticChannel<in Message> {
  /** Nobody has to make a message that nobody hears. */
  readonly hasSubscribers: boolean
  publish(message: Message): void
  /** Publishes, and calls `fn` with the stores that subscribers have bound. */
  runStores<Value>(message: Message, fn: () => Value): Value
}

/** Every channel that the library publishes on. */
export const channels: {
  readonly [
    Name in keyof DiagnosticMessages as Name extends `apalis:${infer Short}` ? Short : never
  ]: DiagnosticChannel<DiagnosticMessages[Name]>
} = {
  push: channel('apalis:push'),
  claim: channel('apalis:claim'),
  start: channel('apalis:start'),
  end: channel('apalis:end'),
  settle: channel('apalis:settle'),
  rescue: channel('apalis:rescue'),
  worker: channel('apalis:worker'),
  monitor: channel('apalis:monitor'),
}

/** How an operation went that is told about on a channel. */
export type Went<Value> =
  | { readonly value: Value; readonly durationMs: number }
  | { readonly error: unknown; readonly durationMs: number }

/** The operation itself; where somebody listens, its end is published as `message` says. */
export function published<Value, Message>(
  to: DiagnosticChannel<Message>,
  clock: Clock,
  operation: () => Promise<Value>,
  message: (went: Went<Value>) => Message,
): Promise<Value> {
  return to.hasSubscribers ? timed(to, clock, operation, message) : operation()
}

async function timed<Value, Message>(
  to: DiagnosticChannel<Message>,
  clock: Clock,
  operation: () => Promise<Value>,
  message: (went: Went<Value>) => Message,
): Promise<Value> {
  const begun = clock.monotonic()
  try {
    const value = await operation()
    to.publish(message({ value, durationMs: clock.monotonic() - begun }))
    return value
  } catch (error) {
    to.publish(message({ error, durationMs: clock.monotonic() - begun }))
    throw error
  }
}
