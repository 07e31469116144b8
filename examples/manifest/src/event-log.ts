import { closeSync, openSync, writeSync } from 'node:fs'

import type { Event } from '@apalis/core'

import type { FileName } from './names.ts'

/**
 * A file with one line of JSON for each start and each end of a task. A line is written when it happens: what a killed
 * process had begun can be read from it.
 */
export class EventLog implements Disposable {
  readonly #file: number

  /** Adds to what is in the file. */
  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  /** Writes down the event, if it is of a task. */
  add(event: Event): void {
    if (!('task' in event)) return
    const { time, worker, type, task } = event
    const { taskId, attempt } = task.parts
    const line = {
      time,
      process: process.pid,
      worker,
      event: type === 'error' ? event.outcome : type,
      task: taskId,
      attempt: attempt.current,
      // Absent where it could not be decoded; what is in the queue, only this program puts there.
      ...(task.args as FileName | undefined),
    }
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }
}
