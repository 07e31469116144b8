// The arguments of tasks: what is pushed, what is stored, what a handler gets, and what is refused.
// #region schema
import { isEncodeError, json, MemoryStorage, WorkerBuilder } from '@apalis/core'
import { z } from 'zod'

const Order = z.object({
  id: z.number().int(),
  currency: z.string().default('EUR'),
  items: z.string().transform((list) => list.split(',')),
})

const storage = new MemoryStorage()
const orders = storage.queue('orders', { args: json(Order) })

// The schema's input is pushed and stored: no currency, and the items as text.
const id = await orders.push({ id: 1, items: 'apples,pears' })

// The handler gets the schema's output: { id: number, currency: string, items: string[] }.
const worker = new WorkerBuilder('orders')
  .backend(orders)
  .build((order) => console.log(`${order.items.length} items in ${order.currency}`))
// #endregion

const running = worker.run()
await orders.result(id)

// #region refused
async function refused(push: Promise<unknown>): Promise<void> {
  await push.catch((error: unknown) => {
    if (isEncodeError(error)) console.log(error.message)
  })
}

// What the schema does not accept. Nothing is stored.
await refused(orders.push({ id: 1.5, items: 'apples' }))

// What JSON would change without a word, with the place of it.
const anything = storage.queue<{ list: readonly unknown[] }>('anything')
await refused(anything.push({ list: [new Date(0)] }))
await refused(anything.push({ list: [1, undefined] }))
await refused(anything.push({ list: [Number.NaN] }))
await refused(anything.push({ list: [10n] }))
// #endregion

// #region older
// Stored by somebody whose schema was another: that task is killed, and the worker goes on.
const older = storage.queue<{ id: string }>('orders')
const old = await older.push({ id: 'A-1' }, { id: 'old-order' })
await orders
  .result(old)
  .catch((error: Error) => console.log(`${error.message}: ${String(error.cause)}`))
// #endregion

worker.stop()
await running

// Output:
// 2 items in EUR
// cannot encode the value: it does not match its schema: id: Invalid input: expected int, received number
// cannot encode list[0]: JSON does not keep an instance of Date
// cannot encode list[1]: JSON does not keep undefined
// cannot encode list[0]: JSON does not keep NaN
// cannot encode list[0]: JSON does not keep a BigInt
// task old-order was killed: DecodeError: cannot decode the arguments of task old-order: cannot decode the value: it does not match its schema: id: Invalid input: expected number, received string; items: Invalid input: expected string, received undefined
