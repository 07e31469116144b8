// Calls again within one run, and runs again out of the storage.
let calls = 0
const charge = (_order: string): never => {
  calls += 1
  throw new Error('the bank does not answer')
}

// #region retry
import { constant, MemoryStorage, retry, retryBudget, WorkerBuilder } from '@apalis/core'

// Three attempts of the storage, a run each; they survive the process and hold nothing while they wait.
const charges = new MemoryStorage().queue<string>('charges', {
  attempts: 3,
  backoff: constant('50ms'),
})

// Two calls in each run, which holds its place meanwhile. All that share the budget make few retries when everything fails.
const budget = retryBudget({ ratio: 0.2, minPerSecond: 10 })
const worker = new WorkerBuilder('charger')
  .backend(charges)
  .layer(retry({ times: 2, backoff: constant('10ms'), budget }))
  .build((order) => charge(order))
// #endregion

const id = await charges.push('order 7')
await worker.runUntil(
  charges
    .result(id)
    .catch((error: Error) => console.log(error.message === `task ${id} was killed`)),
)
const task = await charges.fetchById(id)
console.log({ attempts: task?.parts.attempt.current, calls })

// Output:
// true
// { attempts: 3, calls: 6 }
