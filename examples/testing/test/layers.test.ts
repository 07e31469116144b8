import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage, WorkerBuilder } from '@apalis/core'
import { perform } from '@apalis/core/testing'
import { buildMailer, mailQueue, type Smtp } from '../src/mailer.ts'

const smtp: Smtp = { send: async (to, subject) => `${subject} to ${to}` }
const queue = mailQueue(new MemoryStorage())

// #region build
test('the tenant of a task is in the subject', async () => {
  const outcome = await perform(
    { build: buildMailer(smtp) },
    { to: 'ada@example.com' },
    { queue, metadata: { tenant: 'acme' } },
  )
  assert.deepEqual(outcome, { type: 'done', result: '[acme] Hello to ada@example.com' })
})
// #endregion

// #region production
const worker = new WorkerBuilder('mailer').backend(queue).with(buildMailer(smtp))
// #endregion

test('the worker of the program is built by the same function', () => {
  assert.deepEqual(
    worker.context.layers.map(({ name }) => name),
    ['concurrency', 'extract', 'timeout'],
  )
})
