// A handler, its layers and its retries under test, without waiting.
// #region test
import assert from 'node:assert/strict'
import { constant, json, MemoryStorage } from '@apalis/core'
import { TestClock, TestWorker } from '@apalis/core/testing'

const clock = new TestClock()
const emails = new MemoryStorage({ clock }).queue('emails', {
  args: json<{ to: string }>(),
  result: json<string>(),
  backoff: constant('1m'),
})

let down = true
const smtp = {
  async send(to: string): Promise<string> {
    if (down) throw new Error('the server is down')
    return `sent to ${to}`
  },
}

// #region run
const worker = new TestWorker(emails, (builder) =>
  builder.data({ smtp }).build(({ to }, { data }) => data.smtp.send(to)),
)

const taskId = await emails.push({ to: 'ada@example.com' })

// Runs the next task, and no other.
const failed = await worker.executeNext()
assert.equal(failed?.outcome, 'failed')
console.log(`attempt ${failed.attempt}: ${failed.outcome}, ${String(failed.error)}`)

// Nothing is due before its backoff is over.
assert.equal(await worker.executeNext(), undefined)
down = false
await clock.advance('1m')
assert.deepEqual(await worker.executeNext(), {
  taskId,
  attempt: 2,
  outcome: 'done',
  result: 'sent to ada@example.com',
})
// #endregion

// Or everything that is due.
await emails.pushBulk([{ to: 'bob@example.com' }, { to: 'eve@example.com' }])
for await (const { outcome, result } of worker.stream()) console.log(`${outcome}: ${result}`)
await worker.stop()
// #endregion

// Output:
// attempt 1: failed, Error: the server is down
// done: sent to bob@example.com
// done: sent to eve@example.com
