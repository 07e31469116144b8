import { z } from 'zod'
import type { Outcome } from '../../src/backend/backend.ts'
import { json } from '../../src/codec/json.ts'
import { timeout } from '../../src/layers/timeout.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { taskFn } from '../../src/service/task-fn.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { QueueContext, Task } from '../../src/task/task.ts'
import { drain } from '../../src/testing/drain.ts'
import type { Drained } from '../../src/testing/drained.ts'
import { perform } from '../../src/testing/perform.ts'
import { assertNotPushed, assertPushed } from '../../src/testing/pushed.ts'
import type { WorkerBuild } from '../../src/testing/runner.ts'
import type { PartOf } from '../../src/testing/task-pattern.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'
import { equal } from './equal.ts'

const EmailSchema = z.object({
  to: z.string(),
  subject: z.string().default('hello'),
  at: z.string().transform((text) => new Date(text)),
})
interface Email {
  to: string
  subject: string
  at: Date
}
interface Receipt {
  readonly id: string
}
interface Smtp {
  send(to: string): Promise<Receipt>
}
interface Transaction {
  query(sql: string): Promise<void>
}

declare const storage: Storage
declare const transactional: Storage<Transaction>
declare const smtp: Smtp

const emails = storage.queue('emails', { args: json(EmailSchema), result: json<Receipt>() })
const numbers = storage.queue<number>('numbers')
const input = { to: 'ada', at: '2030-01-01' }
const send = taskFn(async (email: Email, { data }: TaskRequest<Email, { readonly smtp: Smtp }>) =>
  data.smtp.send(email.to),
)
const build: WorkerBuild<Email, Receipt, Receipt> = (worker) => worker.data({ smtp }).build(send)

// perform: the schema's input goes in, the handler gets its output, and its result is the outcome's.

equal<Outcome<Receipt>>()(await perform(send, input, { queue: emails, data: { smtp } }))
equal<Outcome<Receipt>>()(
  await perform(
    (email, { data }) => {
      equal<Email>()(email)
      equal<Smtp>()(data.smtp)
      return data.smtp.send(email.to)
    },
    input,
    { queue: emails, data: { smtp }, attempt: 2 },
  ),
)
equal<Outcome<Receipt>>()(await perform({ build }, input, { queue: emails }))
equal<Outcome<Receipt>>()(
  await perform(
    {
      build: (worker) =>
        worker
          .data({ smtp })
          .extract({ user: (request) => request.task.args.to })
          .layer(timeout('1s'))
          .build((email, { data }) => {
            equal<Email>()(email)
            equal<string>()(data.user)
            return data.smtp.send(data.user)
          }),
    },
    input,
    { queue: { args: json(EmailSchema) } },
  ),
)
equal<Outcome<number>>()(await perform((n: number) => n * 2, 2))
equal<Outcome<number>>()(await perform((n) => n * 2, 2))
equal<Outcome<number>>()(await perform((n) => n * 2, 2, { queue: numbers, attempt: 3 }))
equal<Outcome<number>>()(
  await perform((n, { data }) => n * data.factor, 2, { data: { factor: 3 } }),
)
equal<Outcome<number>>()(await perform({ build: (worker) => worker.build((n) => n * 2) }, 2))
await perform(
  (email, { task }) => {
    equal<Task<Email, QueueContext>>()(task)
    return { id: email.subject }
  },
  input,
  { queue: transactional.queue('emails', { args: json(EmailSchema) }) },
)
const outcome = await perform(send, input, { queue: emails, data: { smtp } })
if (outcome.type === 'done') equal<Receipt>()(outcome.result)
if (outcome.type === 'failed') equal<number>()(outcome.retryIn)

// @ts-expect-error nobody gives the data
await perform(send, input, { queue: emails })
// @ts-expect-error nor here
await perform(send, { to: 'ada', subject: 'hi', at: new Date() })
// @ts-expect-error other data
await perform(send, input, { queue: emails, data: { smtp: 5 } })
// @ts-expect-error args that the schema does not take
await perform(send, { to: 5, at: '2030' }, { queue: emails, data: { smtp } })
// @ts-expect-error the schema's output is not what is pushed
await perform(send, { to: 'ada', at: new Date() }, { queue: emails, data: { smtp } })
// @ts-expect-error args that the handler does not take
await perform((n: number) => n, 'text')
// @ts-expect-error the handler gets what the schema makes
await perform((email: z.input<typeof EmailSchema>) => ({ id: email.at }), input, { queue: emails })
// @ts-expect-error a result that the queue does not take
await perform(() => 5, input, { queue: emails })
// @ts-expect-error nor from a build
await perform({ build: (worker) => worker.build(() => 5) }, input, { queue: emails })
// @ts-expect-error what a build does not give is missing, too
await perform({ build: (worker) => worker.build(send) }, input, { queue: emails })
// @ts-expect-error a build gives its data itself
await perform({ build }, input, { queue: emails, data: { smtp } })
// @ts-expect-error no such option
await perform((n: number) => n, 5, { atempt: 3 })

// assertPushed: parts of what a handler gets.

equal<Task<Email, QueueContext>>()(await assertPushed(emails, { args: { to: 'ada' } }))
equal<readonly Task<Email, QueueContext>[]>()(await assertPushed(emails, {}, { count: 2 }))
equal<Task<number, QueueContext>>()(await assertPushed(numbers, { args: 5, delay: '1m' }))
equal<void>()(await assertNotPushed(emails, { args: { at: new Date() }, status: 'pending' }))
declare const part: PartOf<{
  readonly tags: readonly { readonly name: string; readonly level: number }[]
  readonly pair: readonly [string, { readonly at: Date }]
  readonly id: string & { readonly brand: 'id' }
}>
equal<readonly { readonly name?: string; readonly level?: number }[] | undefined>()(part.tags)
equal<readonly [string, { readonly at?: Date }] | undefined>()(part.pair)
equal<(string & { readonly brand: 'id' }) | undefined>()(part.id)

// @ts-expect-error no such argument
await assertPushed(emails, { args: { too: 'ada' } })
// @ts-expect-error what is pushed is a text, what a handler gets is a Date
await assertPushed(emails, { args: { at: '2030-01-01' } })
// @ts-expect-error no status
await assertPushed(emails, { status: 'finished' })
// @ts-expect-error nothing that a task has
await assertNotPushed(emails, { text: 'ada' })
// @ts-expect-error a duration without a unit
await assertNotPushed(emails, { delay: '5' })

// drain: one queue, or several, each with what runs it.

equal<Drained<Receipt>>()(await drain(emails, send, { data: { smtp } }))
equal<Drained<Receipt>>()(await drain(emails, { build }, { advance: '1h' }))
equal<Drained<string>>()(await drain(numbers, (n) => n.toFixed()))
equal<Drained<number>>()(
  await drain(numbers, (n, { data }) => n * data.factor, { data: { factor: 3 } }),
)
const texts = storage.queue('texts', { args: json<string>(), result: json<number>() })
const drained = await drain(
  [
    [emails, { build: (worker) => worker.data({ smtp }).build(send) }],
    [
      texts,
      (text) => {
        equal<string>()(text)
        return text.length
      },
    ],
  ],
  { limit: 10 },
)
equal<Drained<Receipt | number>>()(drained)
for (const end of drained.ends) if (end.outcome === 'done') equal<Receipt | number>()(end.result)

// @ts-expect-error nobody gives the data
await drain(emails, send)
// @ts-expect-error other data
await drain(emails, send, { data: { smtp: 5 } })
// @ts-expect-error a handler of other args
await drain(emails, (n: number) => ({ id: n.toFixed() }))
// @ts-expect-error a result that the queue does not take
await drain(emails, () => 5)
// @ts-expect-error a build gives its data itself
await drain(emails, { build }, { data: { smtp } })
// @ts-expect-error no such option
await drain(numbers, (n) => n, { times: 3 })
await drain([
  // @ts-expect-error nobody gives the data
  [emails, send],
  [texts, (text) => text.length],
])
await drain([
  [emails, { build }],
  // @ts-expect-error a result that this queue does not take
  [texts, (text) => text],
])
// @ts-expect-error a queue is no source of tasks that run elsewhere
await drain(storage, send)

// TestWorker: an end has a result when it is done.

const end = await new TestWorker(emails, build).executeNext()
equal<Receipt | undefined>()(end?.result)
if (end?.outcome === 'done') equal<Receipt>()(end.result)
if (end?.outcome === 'failed') equal<Date | undefined>()(end.retryAt)
