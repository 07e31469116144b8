import { concurrency, type Event, type Monitor, WorkerBuilder } from '@apalis/core'

import { digestFile, reasonOf } from './digest.ts'
import type { EventLog } from './event-log.ts'
import type { Store } from './store.ts'
import type { Tally } from './tally.ts'

/** Which workers there are, and whom they tell. */
export interface WorkersOptions {
  /** The absolute path of the folder that the files lie in. */
  readonly folder: string
  readonly workers: number
  /** How many files each worker reads at once. */
  readonly filesAtOnce: number
  readonly tally: Tally
  /** @default none */
  readonly log?: EventLog | undefined
}

/** Registers the workers that hash the files of the store. */
export function addWorkers(
  monitor: Monitor,
  { files }: Store,
  { folder, workers, filesAtOnce, tally, log }: WorkersOptions,
): void {
  const data = { folder: Buffer.from(folder) }
  monitor.onEvent((event) => follow(event, tally))
  if (log !== undefined) monitor.onEvent((event) => log.add(event))
  for (let number = 1; number <= workers; number += 1) {
    monitor.register(() =>
      new WorkerBuilder(`digest-${number}`)
        .backend(files)
        .data(data)
        .layer(concurrency(filesAtOnce))
        .build(digestFile),
    )
  }
}

/** What the workers tell that the results of the tasks do not. */
function follow(event: Event, tally: Tally): void {
  if (event.type === 'engage') tally.begin(event.task.parts.taskId)
  if (event.type !== 'error') return
  if ('operation' in event) {
    tally.note(`${event.worker}: ${event.operation} failed: ${reasonOf(event.error)}`)
  } else if (event.outcome === 'failed') {
    tally.retried += 1
  }
}
