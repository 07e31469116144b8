import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError, isUnknownOutcomeError, MemoryStore, Storage } from '@apalis/core'
import { assertNotPushed, assertPushed, drain, FaultyStore, TestClock } from '@apalis/core/testing'
import { mailQueue, sendEmail, signUp, type Smtp } from '../src/mailer.ts'

const smtp: Smtp = { send: async (to, subject) => `${subject} to ${to}` }

// #region push
test('a sign-up that failed can be repeated', async () => {
  const store = new FaultyStore(new MemoryStore())
  const emails = mailQueue(new Storage(store))

  // The store is never asked, and says so.
  const full = new BackendError('insert', 'the disk is full', { applied: 'no' })
  store.failBefore('insert', full)
  await assert.rejects(signUp(emails, 'ada@example.com'), full)
  await assertNotPushed(emails)

  // The store does it, and its answer is lost.
  store.failAfter('insert', new Error('connection reset'))
  await assert.rejects(signUp(emails, 'ada@example.com'), isUnknownOutcomeError)

  // Under its unique key the welcome is still one task.
  await signUp(emails, 'ada@example.com')
  await assertPushed(emails, { args: { subject: 'Welcome' } }, { count: 1 })
})
// #endregion

// #region settle
test('an email whose outcome was lost on the way is not sent twice', async () => {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const emails = mailQueue(new Storage(store, { clock }))
  await emails.push({ to: 'ada@example.com' })
  store.failAfter('settle', new Error('connection reset'))

  const draining = drain(emails, sendEmail, { data: { smtp } })
  // The worker writes the outcome again after a while.
  await clock.advance('10s')
  assert.equal((await draining).done, 1)
  assert.equal(store.calls('settle').length, 2)
})
// #endregion
