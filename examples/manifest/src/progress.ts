import { type Clock, systemClock, type Timer } from '@apalis/core'
import { createLogUpdate } from 'log-update'

import type { Tally } from './tally.ts'
import { count, duration, rateText } from './text.ts'

/** How far back the rate looks. */
const WINDOW_MS = 10_000
const BAR_EVERY_MS = 100
const LINE_EVERY_MS = 3_000

/** Files per second of late, from the numbers of files hashed that it is told. */
export class Rate {
  readonly #samples: { readonly ms: number; readonly done: number }[] = []

  /** So many were done at this time. */
  add(ms: number, done: number): void {
    this.#samples.push({ ms, done })
    // One that is older than the window stays: the rate is that of the whole window.
    while ((this.#samples[1]?.ms ?? ms) <= ms - WINDOW_MS) this.#samples.shift()
  }

  /** undefined: not yet known. */
  perSecond(): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.ms === first.ms) return undefined
    return ((last.done - first.done) * 1_000) / (last.ms - first.ms)
  }
}

/** How far it is, in words. */
export function progressText(tally: Tally, perSecond: number | undefined): string {
  const { found, foundAll, done, killed, retried, left } = tally
  const parts = [`${count(done)} of ${count(found)}${foundAll ? '' : '+'} files`]
  if (perSecond !== undefined) parts.push(`${rateText(perSecond)}/s`)
  parts.push(`${count(retried)} retried`)
  if (killed > 0) parts.push(`${count(killed)} killed`)
  parts.push(`${count(left)}${foundAll ? '' : '+'} left`)
  if (foundAll && perSecond !== undefined && perSecond > 0) {
    parts.push(`about ${duration((left / perSecond) * 1_000)} to go`)
  }
  return parts.join(', ')
}

/** How far it is, as a bar of `width` characters and the share. */
export function progressBar({ found, left }: Tally, width: number): string {
  const share = found === 0 ? 0 : (found - left) / found
  const full = Math.floor(share * width)
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${Math.floor(share * 100)}%`
}

/** Something that is shown as it goes on. */
export interface Display {
  /** Says something in a line of its own. */
  note(line: string): void
  /** Leaves the terminal as it was. */
  stop(): void
}

/** A terminal, or what stands for one. */
export interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** What a display shows, and where. */
export interface DisplayOptions {
  readonly tally: Tally
  readonly stream: Output
  /** @default the system's */
  readonly clock?: Clock
}

/** Shows progress: a bar that moves on a terminal, elsewhere a line every few seconds. */
export function showProgress({ tally, stream, clock = systemClock }: DisplayOptions): Display {
  const rate = new Rate()
  const sample = (): void => rate.add(clock.monotonic(), tally.done - tally.doneBefore)
  sample()
  const measured = (): string => {
    sample()
    return progressText(tally, rate.perSecond())
  }
  if (canShowBar(stream)) return showBar(tally, stream, clock, measured)
  const write = (line: string): void => {
    stream.write(`${line}\n`)
  }
  return { note: write, stop: every(clock, LINE_EVERY_MS, () => write(measured())) }
}

/** A terminal may be unable to move its cursor, or have no size that anybody knows of. */
function canShowBar({ isTTY, columns, rows }: Output): boolean {
  return isTTY === true && process.env['TERM'] !== 'dumb' && columns !== 0 && rows !== 0
}

function showBar(tally: Tally, stream: Output, clock: Clock, measured: () => string): Display {
  const update = createLogUpdate(stream)
  const draw = (): void => {
    const width = Math.max(10, Math.min(60, (stream.columns ?? 80) - 10))
    update(`${progressBar(tally, width)}\n${measured()}`)
  }
  draw()
  const end = every(clock, BAR_EVERY_MS, draw)
  return {
    note(line) {
      update.persist(line)
      draw()
    },
    stop() {
      end()
      update.clear()
      update.done()
    },
  }
}

/** Calls back again and again; the answer ends that. */
function every(clock: Clock, ms: number, callback: () => void): () => void {
  const arm = (): Timer => clock.setTimer(tick, ms, { background: true })
  let timer = arm()
  function tick(): void {
    callback()
    timer = arm()
  }
  return () => timer.cancel()
}
