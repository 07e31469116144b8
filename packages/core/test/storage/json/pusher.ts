import { writeSync } from 'node:fs'
import { JsonStorage } from '../../../src/storage/json/json-storage.ts'
import { concurrency } from '../../../src/layers/concurrency.ts'
import { WorkerBuilder } from '../../../src/worker/worker-builder.ts'

// Pushes and runs tasks until it is killed, and says of each what it can rely on.
const [path = '', prefix = ''] = process.argv.slice(2)
const storage = await JsonStorage.open(path, { lease: '1s', keepFinished: 1_000_000 })
const queue = storage.queue<number>('numbers')
const worker = new WorkerBuilder('worker')
  .backend(queue)
  .layer(concurrency(20))
  .onEvent((event) => {
    if (event.type === 'success') writeSync(1, `done ${event.task.parts.taskId}\n`)
  })
  .build((n) => n)

async function push(lane: number): Promise<void> {
  for (let n = 0; ; n += 1) {
    const id = `${prefix}-${lane}-${n}`
    await queue.push(n, { id })
    writeSync(1, `pushed ${id}\n`)
  }
}

await Promise.all([worker.run(), ...Array.from({ length: 4 }, (_, lane) => push(lane))])
