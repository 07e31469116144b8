// How an error decides what becomes of its task.
import { constant, MemoryStorage } from '@apalis/core'
import { TestClock, TestWorker } from '@apalis/core/testing'
// #region errors
import { AbortError, DeferredError, RetryAfterError } from '@apalis/core'

function fetchReport(status: number): void {
  if (status === 404) throw new AbortError('there is no such report')
  if (status === 429) throw new RetryAfterError('too many requests', '5m')
  if (status === 425) throw new RetryAfterError('not ready yet', '10m', { countAttempt: false })
  if (status === 409) throw new DeferredError('it changed meanwhile')
  if (status >= 500) throw new Error(`the server answered ${status}`)
}
// #endregion

const clock = new TestClock()
const reports = new MemoryStorage({ clock }).queue<number>('reports', {
  attempts: 2,
  backoff: constant('1s'),
})
const worker = new TestWorker(reports, (builder) => builder.build(fetchReport))

for (const status of [200, 404, 429, 425, 409, 500]) {
  const id = await reports.push(status)
  const { outcome, retryAt } = (await worker.executeNext()) ?? {}
  const seconds = retryAt === undefined ? undefined : (retryAt.getTime() - clock.now()) / 1_000
  console.log(`${status}: ${outcome}${seconds === undefined ? '' : `, again in ${seconds} s`}`)
  await reports.kill(id)
}

// #region used-up
const id = await reports.push(500)
for (let attempt = 1; attempt <= 2; attempt += 1) {
  const end = await worker.executeNext()
  console.log(`attempt ${end?.attempt} of 2: ${end?.outcome}`)
  await clock.advance('1s')
}
// Every attempt's error is kept.
const task = await reports.fetchById(id)
for (const { attempt, message } of task?.parts.context.errors ?? []) {
  console.log(`attempt ${attempt}: ${message}`)
}
// #endregion
await worker.stop()

// Output:
// 200: done
// 404: killed
// 429: failed, again in 300 s
// 425: released, again in 600 s
// 409: failed, again in 0 s
// 500: failed, again in 1 s
// attempt 1 of 2: failed
// attempt 2 of 2: killed
// attempt 1: the server answered 500
// attempt 2: the server answered 500
