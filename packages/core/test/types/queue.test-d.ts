import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import type { Event } from '../../src/service/events.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import type { Queue } from '../../src/storage/queue.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { QueueContext, Task } from '../../src/task/task.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { equal } from './equal.ts'

const EmailSchema = z.object({
  to: z.string(),
  subject: z.string().default('hello'),
  at: z.string().transform((text) => new Date(text)),
})
interface EmailInput {
  to: string
  at: string
  subject?: string | undefined
}
interface Email {
  to: string
  subject: string
  at: Date
}
interface Receipt {
  readonly id: string
}
interface Transaction {
  query(sql: string): Promise<void>
}

declare const storage: Storage
declare const transactional: Storage<Transaction>
declare const transaction: Transaction
declare const receipt: Receipt

const emails = storage.queue('emails', { args: json(EmailSchema), result: json<Receipt>() })
const numbers = storage.queue<number>('numbers')
const orders = transactional.queue('orders', { args: json(EmailSchema) })

// From the schema to the push, the handler, its result and the events.
export const typed: Queue<EmailInput, Email, Receipt> = emails
const id = await emails.push({ to: 'ada', at: '2030-01-01' })
equal<Receipt>()(await emails.result(id))
equal<Task<Email, QueueContext> | undefined>()(await emails.fetchById(id))
const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .extract({ epoch: ({ task }) => task.parts.context.epoch })
  .onEvent((event) => {
    equal<Event<Email, Receipt>>()(event)
    if (event.type === 'success') equal<Receipt>()(event.result)
  })
  .build((email, { data, task }) => {
    equal<Email>()(email)
    equal<Date>()(email.at)
    equal<number>()(data.epoch)
    equal<Task<Email, QueueContext>>()(task)
    return { id: email.subject }
  })
export const typedWorker: Worker<Email, Receipt> = worker

await numbers.push(5)
await numbers.pushBulk([1, 2, 3])
equal<Worker<number, string>>()(
  new WorkerBuilder('numbers').backend(numbers).build((n) => n.toFixed()),
)

await orders.within(transaction).push({ to: 'ada', at: '2030-01-01' })

// @ts-expect-error the schema's output is not what is pushed
await emails.push({ to: 'ada', subject: 'hi', at: new Date(0) })
// @ts-expect-error what has no default is needed
await emails.push({ to: 'ada' })
// @ts-expect-error not a number
await numbers.push('5')
// @ts-expect-error a result of the wrong type
new WorkerBuilder('mailer').backend(emails).build(() => 5)
// @ts-expect-error args of the wrong type: the handler gets the schema's output
new WorkerBuilder('mailer').backend(emails).build((email: EmailInput) => ({ id: email.at }))
new WorkerBuilder('mailer').backend(emails).build((email) => {
  // @ts-expect-error `at` is a Date by then
  email.at.padStart(5)
  return receipt
})
// @ts-expect-error this storage knows no transactions
await emails.within(transaction).push({ to: 'ada', at: '2030-01-01' })
// @ts-expect-error nor does its other queue
await numbers.within(transaction).push(5)

// A handler ends its task in a transaction of its own: with a result where the queue keeps one.
const receipts = transactional.queue<number, Receipt>('receipts', { result: json<Receipt>() })
declare const request: TaskRequest<unknown, {}, QueueContext>
declare const elsewhere: TaskRequest<unknown>
equal<Promise<Receipt>>()(receipts.settleWithin(transaction).done(request, receipt))
await orders.settleWithin(transaction).done(request)
// @ts-expect-error -- the queue keeps results
await receipts.settleWithin(transaction).done(request)
// @ts-expect-error -- that is no result of it
await receipts.settleWithin(transaction).done(request, 5)
// @ts-expect-error -- a request of no queue
await orders.settleWithin(transaction).done(elsewhere)
// @ts-expect-error -- a storage without transactions
await numbers.settleWithin(transaction).done(request)
// @ts-expect-error a transaction of something else
await orders.within({ run: () => {} }).push({ to: 'ada', at: '2030-01-01' })
