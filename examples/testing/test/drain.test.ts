import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from '@apalis/core'
import { assertPushed, drain, isDrainError, TestClock } from '@apalis/core/testing'
import {
  announce,
  buildMailer,
  campaignQueue,
  mailQueue,
  sendEmail,
  signUp,
  type Smtp,
} from '../src/mailer.ts'
import { expected } from './expected.ts'

// #region one
test('who signs up gets a welcome', async () => {
  const emails = mailQueue(new MemoryStorage())
  const sent: string[] = []
  const smtp: Smtp = {
    async send(to, subject) {
      sent.push(`${subject}: ${to}`)
      return 'accepted'
    },
  }
  await signUp(emails, 'ada@example.com')

  const { done, ends } = await drain(emails, sendEmail, { data: { smtp } })
  assert.equal(done, 1)
  assert.equal(ends[0]?.result, 'accepted')
  assert.deepEqual(sent, ['Welcome: ada@example.com'])
  // The other email is not due for a day.
  await assertPushed(emails, { status: 'pending' }, { count: 1 })
})
// #endregion

// #region several
test('a campaign writes to everybody', async () => {
  const storage = new MemoryStorage()
  const campaigns = campaignQueue(storage)
  const emails = mailQueue(storage)
  const sent: string[] = []
  const smtp: Smtp = {
    async send(to) {
      sent.push(to)
      return 'accepted'
    },
  }
  await campaigns.push({ to: ['ada@example.com', 'bob@example.com'] })

  const { done } = await drain([
    [campaigns, { build: (worker) => worker.data({ emails }).build(announce) }],
    [emails, { build: buildMailer(smtp) }],
  ])
  assert.equal(done, 3)
  assert.deepEqual(sent, ['ada@example.com', 'bob@example.com'])
})
// #endregion

// #region later
test('an email gets through when the server is up again, and the second one after a day', async () => {
  const clock = new TestClock()
  const emails = mailQueue(new MemoryStorage({ clock }))
  let failures = 2
  const smtp: Smtp = {
    async send(_to, subject) {
      failures -= 1
      if (failures >= 0) throw new Error('the server is down')
      return `${subject} after ${clock.monotonic() / 60_000} minutes`
    },
  }
  await signUp(emails, 'ada@example.com')

  const { ends } = await drain(emails, sendEmail, { data: { smtp }, advance: '1d' })
  assert.deepEqual(
    ends.map(({ outcome, result }) => result ?? outcome),
    ['failed', 'failed', 'Welcome after 2 minutes', 'How is it going? after 1440 minutes'],
  )
})
// #endregion

test('a drain that cannot end says what remains', async () => {
  const emails = mailQueue(new MemoryStorage())
  await emails.push({ to: 'ada@example.com' }, { id: 'first' })
  await emails.pause()
  const draining = drain(emails, () => 'sent')
  await assert.rejects(draining, (error) => {
    assert.ok(isDrainError(error))
    assert.equal(error.message, expected('remains'))
    return true
  })
})
