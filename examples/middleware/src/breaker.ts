// One circuit breaker for everything that calls the same service.
import { setTimeout } from 'node:timers/promises'

let healthy = false
const search = {
  async index(document: string): Promise<void> {
    if (!healthy) throw new Error('the index is down')
    console.log(`indexed ${document}`)
  },
}

// #region breaker
import { circuitBreaker, concurrency, constant, MemoryStorage, WorkerBuilder } from '@apalis/core'

const storage = new MemoryStorage()
const documents = storage.queue<string>('documents', { backoff: constant(0) })
const updates = storage.queue<string>('updates')

const searchCircuit = circuitBreaker({
  failures: 3,
  recovery: '100ms',
  counts: (error) => !(error instanceof TypeError),
})
searchCircuit.onChange(({ from, to, reason }) => console.log(`${from} → ${to}: ${reason}`))

const workers = [documents, updates].map((queue) =>
  new WorkerBuilder(queue.name)
    .backend(queue)
    .layer(concurrency(1))
    .layer(searchCircuit)
    .build((document) => search.index(document)),
)
// #endregion

const running = workers.map((worker) => worker.run())
const id = await documents.push('one')
while (searchCircuit.state !== 'open') await setTimeout(5)
healthy = true
await documents.result(id)
for (const worker of workers) worker.stop()
await Promise.all(running)

// Output:
// closed → open: 3 failures in a row
// open → half-open: the recovery time has passed
// indexed one
// half-open → closed: what it let through succeeded
