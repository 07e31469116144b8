import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from '@apalis/core'
import { assertNotPushed, assertPushed } from '@apalis/core/testing'
import { mailQueue, signUp } from '../src/mailer.ts'
import { expected } from './expected.ts'

// #region pushed
test('who signs up is welcomed at once, and asked after a day', async () => {
  const emails = mailQueue(new MemoryStorage())
  await signUp(emails, 'ada@example.com')

  const welcome = await assertPushed(emails, {
    args: { to: 'ada@example.com', subject: 'Welcome' },
    priority: 5,
  })
  assert.equal(welcome.parts.context.uniqueKey, 'welcome:ada@example.com')
  await assertPushed(emails, { args: { subject: 'How is it going?' }, delay: '1d' })
  await assertPushed(emails, { args: { to: 'ada@example.com' } }, { count: 2 })
  await assertNotPushed(emails, { args: { to: 'bob@example.com' } })
})
// #endregion

test('what is missed is shown', async () => {
  const emails = mailQueue(new MemoryStorage())
  await emails.push({ to: 'bob@example.com' }, { id: 'first' })
  await emails.push({ to: 'ada@example.com', subject: 'Hello' }, { id: 'second', priority: 5 })
  const looking = async (): Promise<void> => {
    // #region missed
    await assertPushed(emails, {
      args: { to: 'ada@example.com', subject: 'Welcome' },
      priority: 5,
    })
    // #endregion
  }
  await assert.rejects(looking, ({ message }: Error) => message.trimEnd() === expected('missed'))
})
