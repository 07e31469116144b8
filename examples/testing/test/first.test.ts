// #region test
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from '@apalis/core'
import { perform } from '@apalis/core/testing'
import { mailQueue, sendEmail } from '../src/mailer.ts'

const emails = mailQueue(new MemoryStorage())

test('an email without a subject says hello', async () => {
  const smtp = { send: async (to: string, subject: string) => `${subject}, ${to}` }
  const outcome = await perform(
    sendEmail,
    { to: 'ada@example.com' },
    { queue: emails, data: { smtp } },
  )
  assert.deepEqual(outcome, { type: 'done', result: 'Hello, ada@example.com' })
})
// #endregion
