// Limits that decide what is claimed, and what they say about themselves.
const sendMail = (to: string): Promise<void> => Promise.resolve(console.log(`sent to ${to}`))

const minutesUntil = (time: Date): number => Math.ceil((time.getTime() - Date.now()) / 60_000)

// #region limits
import { circuitBreaker, concurrency, rateLimit, timeout } from '@apalis/core'
import { MemoryStorage, WorkerBuilder } from '@apalis/core'

const emails = new MemoryStorage().queue<string>('emails')

const worker = new WorkerBuilder('mailer')
  .backend(emails)
  .layer(concurrency(50))
  .layer(rateLimit({ limit: 100, per: '1h', burst: 2 }))
  .layer(circuitBreaker({ failures: 5, recovery: '30s' }))
  .layer(timeout('10s'))
  .build((to) => sendMail(to))
// #endregion

await emails.pushBulk(['ada@example.com', 'grace@example.com', 'barbara@example.com'])
let sent = 0
worker.listen(async ({ type }) => {
  if (type === 'success') sent += 1
  if (type !== 'success' || sent < 2) return
  // #region layers
  for (const { name, capacity, reason, until } of worker.context.layers) {
    console.log(capacity > 0 ? `${name}: ${capacity}` : `${name}: ${reason}`)
    if (until !== undefined) console.log('takes calls again within minutes:', minutesUntil(until))
  }
  // #endregion
  // The third is not claimed: there is no token for it.
  const { pending, running } = await emails.metrics()
  console.log({ pending, running })
  worker.stop()
})
await worker.run()

// Output:
// sent to ada@example.com
// sent to grace@example.com
// concurrency: 50
// rateLimit: limit of 100 in 1h reached
// takes calls again within minutes: 1
// circuitBreaker: Infinity
// timeout: Infinity
// { pending: 1, running: 0 }
