// What makes an effect happen once, although a task may run more than once.
import { constant, isDuplicateTaskError, MemoryStorage, WorkerBuilder } from '@apalis/core'

const storage = new MemoryStorage()
const charges = storage.queue<{ orderId: number; cents: number }>('charges', {
  backoff: constant('10ms'),
})
const keys = new Set<string>()
const payments = {
  async charge(cents: number, { idempotencyKey }: { idempotencyKey: string }): Promise<void> {
    const known = keys.has(idempotencyKey)
    keys.add(idempotencyKey)
    console.log(known ? 'charged before' : `charged ${cents / 100}`)
  },
}

// #region unique
// While the key is held, a second push stores nothing and gives back the id of the first.
const one = await charges.push({ orderId: 7, cents: 900 }, { unique: 'order:7' })
const two = await charges.push({ orderId: 7, cents: 900 }, { unique: 'order:7' })
console.log(one === two ? 'one task' : 'two tasks')
// #endregion

await charges
  .push({ orderId: 7, cents: 900 }, { unique: 'order:7', onDuplicate: 'throw' })
  .catch((error: unknown) => console.log(isDuplicateTaskError(error) && error.existing === one))

const worker = new WorkerBuilder('cashier')
  .backend(charges)
  // #region idempotent
  // The id is the same in every attempt.
  .build(async ({ cents }, { attempt, id }) => {
    await payments.charge(cents, { idempotencyKey: id })
    // The worst moment: charged, and not yet known to be.
    if (attempt === 1) throw new Error('the power failed')
  })
// #endregion

await worker.runUntil(charges.result(one))

// Output:
// one task
// true
// charged 9
// charged before
