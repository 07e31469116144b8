// What the tests of this example are about: a queue, its handler, and who pushes to it.
import { type BoundWorkerBuilder, type QueueContext, timeout } from '@apalis/core'
// #region mailer
import { AbortError, constant, json, type Storage, taskFn, type TaskRequest } from '@apalis/core'
import { z } from 'zod'

const Email = z.object({ to: z.email(), subject: z.string().default('Hello') })
type Email = z.output<typeof Email>

export interface Smtp {
  send(to: string, subject: string, signal: AbortSignal): Promise<string>
}

export const mailQueue = (storage: Storage) =>
  storage.queue('emails', {
    args: json(Email),
    result: json<string>(),
    attempts: 3,
    backoff: constant('1m'),
  })

export const sendEmail = taskFn(
  async ({ to, subject }: Email, { data, signal }: TaskRequest<Email, { smtp: Smtp }>) => {
    if (to.endsWith('.invalid')) throw new AbortError(`nobody lives at ${to}`)
    return data.smtp.send(to, subject, signal)
  },
)
// #endregion

type MailQueue = ReturnType<typeof mailQueue>

// #region sign-up
export async function signUp(emails: MailQueue, to: string): Promise<void> {
  await emails.push({ to, subject: 'Welcome' }, { priority: 5, unique: `welcome:${to}` })
  await emails.push({ to, subject: 'How is it going?' }, { delay: '1d' })
}
// #endregion

// #region campaign
export const campaignQueue = (storage: Storage) => storage.queue<{ to: string[] }>('campaigns')

export const announce = taskFn(
  async ({ to }: { to: string[] }, { data }: TaskRequest<unknown, { emails: MailQueue }>) => {
    await data.emails.pushBulk(to.map((one) => ({ to: one, subject: 'News' })))
  },
)
// #endregion

// #region stack
function tenantOf({ metadata: { tenant } }: TaskRequest): string {
  return typeof tenant === 'string' ? tenant : 'nobody'
}

export const buildMailer =
  (smtp: Smtp) => (worker: BoundWorkerBuilder<Email, string, {}, QueueContext>) =>
    worker
      .data({ smtp })
      .extract({ tenant: tenantOf })
      .layer(timeout('30s'))
      .build(({ to, subject }, { data, signal }) =>
        data.smtp.send(to, `[${data.tenant}] ${subject}`, signal),
      )
// #endregion
