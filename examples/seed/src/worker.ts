// A worker that stops itself.
// #region worker
import { setTimeout } from 'node:timers/promises'
import { MemoryStorage, type TaskRequest, WorkerBuilder } from '@apalis/core'

const numbers = new MemoryStorage().queue<number>('numbers')
await numbers.push(1)

async function task(_number: number, { worker }: TaskRequest): Promise<void> {
  // Some work.
  await setTimeout(100)
  worker.stop()
}

const worker = new WorkerBuilder('rango-tango')
  .backend(numbers)
  .onEvent((event, { name }) => console.log(`On event = ${event.type}, ${name}`))
  .build(task)
await worker.run()
// #endregion

// Output:
// On event = start, rango-tango
// On event = heartbeat, rango-tango
// On event = engage, rango-tango
// On event = idle, rango-tango
// On event = success, rango-tango
// On event = stop, rango-tango
