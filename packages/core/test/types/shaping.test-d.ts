import type { Backend, Outcome } from '../../src/backend/backend.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { eventListener } from '../../src/layers/event-listener.ts'
import { filter } from '../../src/layers/filter.ts'
import { mapError } from '../../src/layers/map-error.ts'
import { mapRequest } from '../../src/layers/map-request.ts'
import { optional } from '../../src/layers/optional.ts'
import { tap } from '../../src/layers/tap.ts'
import type { Event } from '../../src/service/events.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import type { QueueContext } from '../../src/task/task.ts'
import { type BoundWorkerBuilder, WorkerBuilder } from '../../src/worker/worker-builder.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { equal } from './equal.ts'

interface Email {
  readonly to: string
  readonly subject: string
}
interface Receipt {
  readonly id: string
}

declare const emails: Backend<Email, Receipt, QueueContext>
declare const numbers: Backend<number, unknown, QueueContext>
declare const receipt: Receipt
declare const sometimes: boolean
declare function isKnown(to: string): Promise<boolean>

const mailer = new WorkerBuilder('mailer').backend(emails).data({ db: 1 })
const counter = new WorkerBuilder('counter').backend(numbers)

// What is inferred where it is written.

const shaped = mailer
  .layer(
    filter((request) => {
      equal<Email>()(request.task.args)
      equal<number>()(request.data.db)
      equal<QueueContext>()(request.task.parts.context)
      return true
    }),
  )
  .layer(filter(async ({ task }) => (await isKnown(task.args.to)) || { release: '5m' }))
  .layer(filter(({ task }) => ({ args: { ...task.args, to: task.args.to.trim() } })))
  .layer(
    mapRequest((email, { data }) => {
      equal<Email>()(email)
      equal<number>()(data.db)
      return { ...email, subject: email.subject.trim() }
    }),
  )
  .layer(
    mapError((error, { task }) => {
      equal<unknown>()(error)
      equal<Email>()(task.args)
      return error
    }),
  )
  .layer(tap({ request: ({ task }) => equal<Email>()(task.args) }))
  .layer(optional(sometimes ? concurrency(5) : undefined))
  .layer(
    optional(
      sometimes
        ? filter(({ task }: TaskRequest<Email>) => ({ args: { ...task.args } }))
        : undefined,
    ),
  )
equal<typeof mailer>()(shaped)

// A result that is mapped: what the handler gives, and what everybody else is told.

const mapped = mailer.mapResult((sent: { readonly messageId: string }, { task }) => {
  equal<Email>()(task.args)
  return { id: sent.messageId }
})
const worker = mapped
  .onEvent((event) => equal<Event<Email, { id: string }>>()(event))
  .ackWith((outcome) => equal<Outcome<{ id: string }>>()(outcome))
  .layer(concurrency(5))
  .extract({ tenant: async () => 'tenant' })
  .build(async (email, { data: { db, tenant } }) => {
    equal<number>()(db)
    equal<string>()(tenant)
    return { messageId: email.to }
  })
equal<Worker<Email, { id: string }>>()(worker)
// The outermost is what is stored.
equal<Worker<number, string>>()(
  counter
    .mapResult((n: number) => n.toFixed())
    .mapResult(async (text: string) => text.length)
    .build((n) => String(n)),
)
mapped.with(eventListener(() => {})).build(() => ({ messageId: '1' }))

// Extensions of one kind of builder, before a result is mapped, or of every kind.
declare function before<Args, Result, Data, Context>(
  builder: BoundWorkerBuilder<Args, Result, Data, Context>,
): BoundWorkerBuilder<Args, Result, Data, Context>
declare function anywhere<Args, Result, Data, Context, Mapped>(
  builder: BoundWorkerBuilder<Args, Result, Data, Context, Mapped>,
): BoundWorkerBuilder<Args, Result, Data, Context, Mapped>
equal<typeof mailer>()(mailer.with(before))
equal<typeof mapped>()(mapped.with(anywhere))

// What does not compile.

// @ts-expect-error it is no verdict
mailer.layer(filter(() => false))
// @ts-expect-error nor is this a duration
mailer.layer(filter(() => ({ release: 'soon' })))
// @ts-expect-error half an email is no email
mailer.layer(filter(({ task }) => ({ args: { to: task.args.to } })))
// @ts-expect-error in a mapper neither
mailer.layer(mapRequest(({ to }) => ({ to })))
// @ts-expect-error nobody provides `tenant`
mailer.layer(filter(({ data }) => data.tenant))
const fits = filter(({ metadata }) => metadata['tenant'] !== 'closed' || { release: '1h' })
mailer.layer(fits)
counter.layer(fits)
const looks = filter(
  ({ task }: TaskRequest<{ readonly to: string }>) => task.args.to !== '' || { kill: 'no address' },
)
mailer.layer(looks)
// @ts-expect-error numbers have no `to`
counter.layer(looks)
const trims = mapRequest(({ to }: { readonly to: string }) => ({ to: to.trim() }))
// @ts-expect-error the subject would be gone
mailer.layer(trims)
// @ts-expect-error also in here
mailer.layer(optional(trims))
// @ts-expect-error a condition is no layer
mailer.layer(optional(sometimes && concurrency(5)))

// @ts-expect-error the backend takes a receipt
mailer.mapResult((sent: { readonly messageId: string }) => sent.messageId)
// @ts-expect-error the handler has to give what the mapper takes
mapped.build(() => receipt)
// @ts-expect-error listeners are told of what the mapper makes
mapped.onEvent((event) => event.type === 'success' && event.result.messageId)
// @ts-expect-error a result is mapped: an extension that does not know of that would lose it
mapped.with(before)
