// SIGTERM while a task runs: it finishes, and what has not begun stays in the queue.
import { setTimeout } from 'node:timers/promises'
import { concurrency, MemoryStorage, Monitor, WorkerBuilder } from '@apalis/core'

const reports = new MemoryStorage().queue<string>('reports')
await reports.pushBulk(['first', 'second'])

async function write(name: string, signal: AbortSignal): Promise<void> {
  console.log(`writing the ${name}`)
  // What a deployment does to the process.
  process.kill(process.pid, 'SIGTERM')
  await setTimeout(50, undefined, { signal })
  console.log(`wrote the ${name}`)
}

// #region shutdown
const monitor = new Monitor()
  // After that the signals of running handlers abort, and what does not end in time is given back.
  .shutdownTimeout('10s')
  .register(() =>
    new WorkerBuilder('writer')
      .backend(reports)
      .layer(concurrency(1))
      .build((name, { signal }) => write(name, signal)),
  )

// SIGINT and SIGTERM start the shutdown; a second one ends the wait.
await monitor.runWithSignal()
const { done, pending } = await reports.metrics()
console.log(`${done} done, ${pending} left`)
// #endregion

// Output:
// writing the first
// wrote the first
// 1 done, 1 left
