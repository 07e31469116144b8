// Handlers, what is given to them, and what is got out of each request.
// #region handler
import { type FromRequest, type Handler, json, MemoryStorage, WorkerBuilder } from '@apalis/core'

interface Email {
  readonly userId: number
  readonly text: string
}
interface Smtp {
  send(to: string, text: string, options: { signal: AbortSignal }): Promise<string>
}
interface User {
  readonly address: string
}

/** A value got out of the request, and out of data that was given before. May be async; a throw fails the attempt. */
const loadUser: FromRequest<User, Email, { users: ReadonlyMap<number, User> }> = (request) => {
  const user = request.data.users.get(request.task.args.userId)
  if (user === undefined) throw new Error(`there is no user ${request.task.args.userId}`)
  return user
}

/** The arguments, then everything else: data, signal, attempt, metadata, the worker. */
const sendEmail: Handler<Email, { smtp: Smtp; user: User }, string> = (email, request) => {
  const { smtp, user } = request.data
  return smtp.send(user.address, email.text, { signal: request.signal })
}
// #endregion

const smtp: Smtp = { send: async (to, text) => `"${text}" was sent to ${to}` }
const users = new Map([[42, { address: 'ada@example.com' }]])

// #region worker
const emails = new MemoryStorage().queue('emails', {
  args: json<Email>(),
  result: json<string>(),
  attempts: 1,
})

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .data({ smtp, users })
  .extract({ user: loadUser })
  .build(sendEmail)
// #endregion

const running = worker.run()
const known = await emails.push({ userId: 42, text: 'Hello' })
console.log(await emails.result(known))
const unknown = await emails.push({ userId: 7, text: 'Hello?' })
await emails.result(unknown).catch((error: Error) => console.log(String(error.cause)))
worker.stop()
await running

// Output:
// "Hello" was sent to ada@example.com
// Error: there is no user 7
