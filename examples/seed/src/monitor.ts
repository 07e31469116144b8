// A monitor that runs a worker until a task is done.
// #region monitor
import { setTimeout } from 'node:timers/promises'
import { JsonStorage, Monitor, Shutdown, WorkerBuilder } from '@apalis/core'

const storage = await JsonStorage.temp()
const numbers = storage.queue<number>('numbers')
const id = await numbers.push(1)

const shutdown = new Shutdown()
const monitor = new Monitor({ shutdown })
  .onEvent((event, { name }) => console.log(`${name}: ${event.type}`))
  .register(() =>
    new WorkerBuilder('demo-worker').backend(numbers).build(async (number) => {
      console.log(`Processing task: ${number}`)
      await setTimeout(100)
      return number
    }),
  )

// Runs all registered workers; the token stops them when the task is done.
await Promise.all([monitor.run(), shutdown.shutdownAfter(numbers.result(id))])
await storage.close()
// #endregion

// Output:
// demo-worker: start
// demo-worker: heartbeat
// demo-worker: engage
// Processing task: 1
// demo-worker: idle
// demo-worker: success
// demo-worker: stop
