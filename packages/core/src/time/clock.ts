import { OptionError } from '../internal/validate.ts'

/** A running timer. */
export interface Timer {
  /** Stops it; does nothing when it has fired. */
  cancel(): void
}

/** Where time comes from. Everything in apalis that waits or measures does so through one of these, so that tests can move time. */
export interface Clock {
  /** The wall clock, in milliseconds since 1970. */
  now(): number
  /** A clock that never jumps or goes back, in milliseconds. */
  monotonic(): number
  /** Calls back once, after `ms` milliseconds of any size. With `background`, the timer does not keep the process alive. */
  setTimer(callback: () => void, ms: number, options?: { readonly background?: boolean }): Timer
  /** What jitter and the ids of incarnations are drawn from: numbers from 0 up to, but not, 1. @default Math.random */
  random?(): number
  /** What measures for how long the event loop had no turn, in milliseconds. @default real time, whatever else the clock shows */
  loopTime?(): number
}

/** @internal The next number from the clock's chance. */
export function random(clock: Clock): number {
  return clock.random === undefined ? Math.random() : clock.random()
}

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The clocks and timers of this process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(callback, ms, { background = false } = {}) {
    let handle: NodeJS.Timeout
    const arm = (left: number): void => {
      handle =
        left > LONGEST_TIMER_MS
          ? setTimeout(() => arm(left - LONGEST_TIMER_MS), LONGEST_TIMER_MS)
          : setTimeout(callback, left)
      if (background) handle.unref()
    }
    // Node warns of a delay that is negative or no number.
    arm(ms > 0 ? ms : 0)
    return { cancel: () => clearTimeout(handle) }
  },
}

/** @internal `value` if it is a {@link Clock}; throws an `OptionError` that names `option` for anything else. */
export function checkClock(option: string, value: Clock): Clock {
  // Typed as a clock, but JavaScript passes anything.
  const given: Partial<Clock> | null = value
  for (const method of ['now', 'monotonic', 'setTimer'] as const) {
    if (typeof given?.[method] !== 'function') {
      throw new OptionError(option, value, 'a Clock: now, monotonic and setTimer')
    }
  }
  return value
}

/** Settles after `ms`, or as soon as `signal` aborts. Never rejects. */
export function sleep(
  clock: Clock,
  ms: number,
  {
    signal,
    background = false,
  }: { readonly signal?: AbortSignal | undefined; readonly background?: boolean } = {},
): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = clock.setTimer(end, ms, { background })
    signal?.addEventListener('abort', end, { once: true })
    function end(): void {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
  })
}

/** Gives the event loop one turn: timers, input and output run before it settles. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
