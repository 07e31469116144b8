import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLeaseLostError, MemoryStorage, MemoryStore, Storage, WorkerBuilder } from '@apalis/core'
import { assertPushed, FaultyStore, TestClock, TestContext, TestWorker } from '@apalis/core/testing'
import { mailQueue, sendEmail, type Smtp } from '../src/mailer.ts'

const smtp: Smtp = { send: async (to, subject) => `${subject} to ${to}` }
const ada = { to: 'ada@example.com' }

// #region step
test('an email that fails is sent after its backoff', async () => {
  const clock = new TestClock()
  const emails = mailQueue(new MemoryStorage({ clock }))
  let down = true
  const flaky: Smtp = {
    async send(to) {
      if (down) throw new Error('the server is down')
      return `sent to ${to}`
    },
  }
  const worker = new TestWorker(emails, (builder) => builder.data({ smtp: flaky }).build(sendEmail))

  const id = await emails.push(ada)
  const failed = await worker.executeNext()
  assert.equal(failed?.outcome, 'failed')
  assert.match(String(failed.error), /the server is down/)
  assert.deepEqual(failed.retryAt, new Date(clock.now() + 60_000))

  // Nothing is due before its backoff is over.
  assert.equal(await worker.executeNext(), undefined)
  down = false
  await clock.advance('1m')
  const done = await worker.executeNext()
  assert.deepEqual(done, {
    taskId: id,
    attempt: 2,
    outcome: 'done',
    result: 'sent to ada@example.com',
  })
  await worker.stop()
})
// #endregion

// #region real
test('every retry comes at its moment, and the third is the last', async () => {
  const clock = new TestClock()
  const emails = mailQueue(new MemoryStorage({ clock }))
  const attempts: number[] = []
  const worker = new WorkerBuilder('mailer').backend(emails).build(() => {
    attempts.push(clock.monotonic())
    throw new Error('the server is down')
  })
  const running = worker.run()

  const id = await emails.push(ada, { delay: '1h' })
  await clock.advance('2h')
  assert.deepEqual(attempts, [3_600_000, 3_660_000, 3_720_000])
  await assertPushed(emails, { id, status: 'killed', attempt: 3 })

  worker.stop()
  await running
})
// #endregion

// #region died
test('the email of a worker that died is sent by another', async () => {
  const clock = new TestClock()
  const emails = mailQueue(new MemoryStorage({ clock }))
  const id = await emails.push(ada)
  // Claims the task and is never heard of again, as when its process is killed.
  await emails.poll(new TestContext('dead')).next(1, new AbortController().signal)

  const worker = new WorkerBuilder('mailer').backend(emails).data({ smtp }).build(sendEmail)
  const running = worker.run()
  await clock.advance('29s')
  await assertPushed(emails, { id, status: 'running' })
  await clock.advance('2s')
  const { parts } = await assertPushed(emails, { id, status: 'done', attempt: 1 })
  assert.equal(parts.context.rescues, 1)

  worker.stop()
  await running
})
// #endregion

// #region lease
test('a handler hears when its worker has lost its lease', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const emails = mailQueue(new Storage(store, { clock }))
  const began = Promise.withResolvers<AbortSignal>()
  const worker = new WorkerBuilder('mailer').backend(emails).build((_email, { signal }) => {
    began.resolve(signal)
    return new Promise<string>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  })
  const running = worker.run()
  await emails.push(ada)
  const signal = await began.promise

  // The connection breaks: no beat arrives any more.
  store.failBefore('beat', new Error('connection reset'), { times: 100 })
  await clock.advance('30s')
  assert.ok(isLeaseLostError(signal.reason))

  worker.stop()
  await running
})
// #endregion
