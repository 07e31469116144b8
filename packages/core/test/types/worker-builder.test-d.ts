import type { Backend, Outcome } from '../../src/backend/backend.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { eventListener } from '../../src/layers/event-listener.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { around } from '../../src/service/around.ts'
import type { Event, SuccessEvent } from '../../src/service/events.ts'
import { withData } from '../../src/service/request.ts'
import type { Layer, ProvidingLayer, Service, TaskRequest } from '../../src/service/service.ts'
import { taskFn } from '../../src/service/task-fn.ts'
import type { WorkerContext } from '../../src/service/worker-context.ts'
import type { QueueContext, Task } from '../../src/task/task.ts'
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
interface Smtp {
  send(to: string): Promise<Receipt>
}
interface User {
  readonly name: string
}

declare const emails: Backend<Email, Receipt, QueueContext>
declare const numbers: Backend<number, unknown, QueueContext>
declare const anything: Backend<number>
declare const smtp: Smtp
declare const receipt: Receipt
declare function loadUser(
  request: TaskRequest<{ readonly to: string }, { readonly smtp: Smtp }>,
): Promise<User>
declare const needsTo: Layer<{ readonly to: string }>
declare const needsNumber: Layer<number>
declare const needsTenant: Layer<unknown, { readonly tenant: string }>
declare const needsQueue: Layer<unknown, unknown, QueueContext>
declare const needsOther: Layer<unknown, unknown, { readonly offset: number }>
declare const provideTenant: ProvidingLayer<{ readonly tenant: string }>
declare const provideFromSmtp: ProvidingLayer<
  { readonly server: string },
  unknown,
  { readonly smtp: Smtp }
>

const mailer = new WorkerBuilder('mailer').backend(emails)
const counter = new WorkerBuilder('counter').backend(numbers)

// What is inferred.

const worker = mailer
  .data({ smtp })
  .extract({ user: loadUser, priority: (request) => request.task.parts.context.priority })
  .layer(concurrency(50))
  .layer(timeout('30s'))
  .use(async (request, next) => {
    equal<Email>()(request.task.args)
    equal<Smtp>()(request.data.smtp)
    equal<User>()(request.data.user)
    return next()
  })
  .onEvent((event, context) => {
    equal<Event<Email, Receipt>>()(event)
    equal<WorkerContext>()(context)
    if (event.type === 'success') {
      equal<Receipt>()(event.result)
      equal<Email | undefined>()(event.task.args)
    }
  })
  .ackWith((outcome, { args }) => {
    equal<Outcome<Receipt>>()(outcome)
    equal<Email | undefined>()(args)
  })
  .build(async (email, { data: { smtp: server, user, priority }, task, signal }) => {
    equal<Email>()(email)
    equal<Smtp>()(server)
    equal<User>()(user)
    equal<number>()(priority)
    equal<Task<Email, QueueContext>>()(task)
    equal<AbortSignal>()(signal)
    return server.send(email.to)
  })
equal<Worker<Email, Receipt>>()(worker)

// A backend that takes any result: the worker's is what the handler gives.
equal<Worker<number, string>>()(counter.build((n) => n.toFixed()))
equal<Worker<number, number>>()(counter.build(async (n) => n))
equal<Worker<number, string>>()(
  new WorkerBuilder('any').backend(anything).build((n) => n.toFixed()),
)
for await (const event of counter.build(async (n) => n.toFixed()).stream()) {
  if (event.type === 'success') equal<string>()(event.result)
}

// Services, of a class or written in place.
class Shout implements Service<TaskRequest<Email>, Receipt> {
  call(request: TaskRequest<Email>): Receipt {
    return { id: request.task.args.to.toUpperCase() }
  }
}
equal<Worker<Email, Receipt>>()(mailer.build(new Shout()))
equal<Worker<number, number>>()(counter.build({ call: (request) => request.task.args + 1 }))

// Layers that add data, named or written in place, and what needs it.
mailer
  .provide(provideTenant)
  .layer(needsTenant)
  .layer(needsTo)
  .layer(needsQueue)
  .layer((inner) =>
    around(inner, async (request) => {
      equal<Email>()(request.task.args)
      equal<string>()(request.data.tenant)
      return inner.call(request)
    }),
  )
  .build((_, { data }) => {
    equal<string>()(data.tenant)
    return receipt
  })
const stamp: ProvidingLayer<{ readonly at: Date }> = (inner) =>
  around(inner, (request) => inner.call(withData(request, { at: new Date(0) })))
mailer.provide(stamp).build((_, { data }) => {
  equal<Date>()(data.at)
  return receipt
})

// Extensions: generic over the builder, or written in place.
declare function withServer<Args, Result, Data extends { readonly smtp: Smtp }, Context>(
  builder: BoundWorkerBuilder<Args, Result, Data, Context>,
): BoundWorkerBuilder<Args, Result, Data & { readonly server: string }, Context>
mailer
  .data({ smtp })
  .with(withServer)
  .with((builder) => builder.layer(concurrency(5)).data({ more: 1 }))
  .build((_, { data }) => {
    equal<Smtp>()(data.smtp)
    equal<string>()(data.server)
    equal<number>()(data.more)
    return receipt
  })
equal<typeof mailer>()(mailer.with(eventListener(() => {})))
mailer.with(
  eventListener<{ readonly to: string }>((event) => {
    if (event.type === 'success')
      equal<SuccessEvent<{ readonly to: string }>['result']>()(event.result)
  }),
)

// A handler on its own.
const send = taskFn(async (email: Email, { data }: TaskRequest<Email, { readonly smtp: Smtp }>) =>
  data.smtp.send(email.to),
)
equal<Worker<Email, Receipt>>()(mailer.data({ smtp }).build(send))
const typed = taskFn<Email, { readonly smtp: Smtp }>((email, { data }) => data.smtp.send(email.to))
mailer.data({ smtp }).build(taskFn<Email, { readonly smtp: Smtp }, Receipt>(() => receipt))

// What does not compile.

// @ts-expect-error the backend comes first
new WorkerBuilder('mailer').data({ smtp })
// @ts-expect-error and once
mailer.backend(emails)
// @ts-expect-error no such option
new WorkerBuilder('mailer', { concurrency: 5 })
// @ts-expect-error no duration
new WorkerBuilder('mailer', { abortGrace: '5 seconds' })

// @ts-expect-error args of another type
mailer.build((n: number) => ({ id: n.toFixed() }))
// @ts-expect-error args with more than the backend gives
mailer.build((email: Email & { readonly cc: string }) => ({ id: email.cc }))
// @ts-expect-error a service for other args
mailer.build({ call: (request: TaskRequest<number>): Receipt => ({ id: String(request.id) }) })
// @ts-expect-error the backend of numbers
counter.build(new Shout())
// @ts-expect-error a handler on its own for other args
counter.data({ smtp }).build(send)

// @ts-expect-error nobody provides `db`
mailer.build((_, { data: { db } }) => ({ id: String(db) }))
// @ts-expect-error nobody provides `smtp`
mailer.build(send)
// @ts-expect-error nobody provides `smtp` here either
mailer.data({ server: 'server' }).build(send)
// @ts-expect-error `smtp` is something else
mailer.data({ smtp: 'server' }).build(send)
mailer
  .data({ smtp })
  // @ts-expect-error nobody provides `db`
  .extract({ user: async ({ data }) => data.db })
  .build(() => receipt)
mailer.extract({
  // @ts-expect-error nobody provides `smtp`
  user: loadUser,
})
counter.data({ smtp }).extract({
  // @ts-expect-error numbers have no `to`
  user: loadUser,
})
// @ts-expect-error an extractor is a function
mailer.extract({ user: 'user' })
// @ts-expect-error nobody provides what the extension needs
mailer.with(withServer)

// @ts-expect-error nobody provides `tenant`
mailer.layer(needsTenant)
// @ts-expect-error numbers have no `to`
counter.layer(needsTo)
// @ts-expect-error emails are no numbers
mailer.layer(needsNumber)
// @ts-expect-error the context of a queue has no offset
mailer.layer(needsOther)
// @ts-expect-error nobody provides `smtp`
mailer.provide(provideFromSmtp)
// @ts-expect-error it adds data: that is what `provide` is for
mailer.layer(provideTenant)
mailer.provide(provideTenant).layer(needsTenant)
// @ts-expect-error too late: what is inside cannot give to what is outside
mailer.layer(needsTenant).provide(provideTenant)
counter.layer(
  // @ts-expect-error written in place, too: numbers have no `to`
  <Req extends TaskRequest<{ readonly to: string }>, Res>(inner: Service<Req, Res>) =>
    around(inner, (request: Req) => inner.call(request)),
)
// @ts-expect-error a layer cannot make a result of its own
mailer.layer((inner) => around(inner, () => receipt))
// @ts-expect-error nor one of the wrong kind
mailer.layer((inner) => around(inner, async () => 5))

// @ts-expect-error `next()` is not given back
mailer.use(async (_, next) => void (await next()))
// @ts-expect-error nor is anything else what it gives
mailer.use(async () => 5)
// @ts-expect-error nobody provides `db`
mailer.use((request, next) => (request.data.db ? next() : next()))

// @ts-expect-error a result of the wrong type
mailer.build(async (email) => email.to)
// @ts-expect-error nothing is no receipt
mailer.build(async () => {})
mailer.build(
  async () =>
    // @ts-expect-error at its own line
    5,
)
// @ts-expect-error what is typed without a result gives unknown
mailer.data({ smtp }).build(typed)
// @ts-expect-error a service with a result of the wrong type
mailer.build({ call: () => 5 })

// @ts-expect-error no such event
mailer.onEvent((event) => event.type === 'sucess')
// @ts-expect-error a listener for other args
mailer.onEvent((event: Event<number>) => event.type)
// @ts-expect-error the same as an extension
mailer.with(eventListener<number>(() => {}))
// @ts-expect-error neither 'retry' nor 'end'
mailer.onBackendError(() => 'stop')
// @ts-expect-error an acknowledgement for other results
mailer.ackWith((outcome: Outcome<number>) => void outcome.type)

// The contracts themselves.

// @ts-expect-error one that needs a number is none that needs an address
export const wrongArgs: Layer<{ readonly to: string }> = needsNumber
// @ts-expect-error one that needs data is none that needs nothing
export const wrongData: Layer = needsTenant
export const lessNeedy: Layer<Email, { readonly tenant: string }, QueueContext> = needsTo
// @ts-expect-error a provider that needs data is none that needs nothing
export const wrongProvider: ProvidingLayer<{ readonly server: string }> = provideFromSmtp
