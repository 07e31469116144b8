import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isEncodeError, MemoryStorage } from '@apalis/core'
import { perform, TestClock } from '@apalis/core/testing'
import { mailQueue, sendEmail, type Smtp } from '../src/mailer.ts'

// #region outcomes
const down = new Error('the server is down')
const smtp: Smtp = {
  async send() {
    throw down
  },
}
const queue = mailQueue(new MemoryStorage())
const options = { queue, data: { smtp } }
const ada = { to: 'ada@example.com' }

test('an email that was not sent is tried again after a minute', async () => {
  const outcome = await perform(sendEmail, ada, options)
  assert.deepEqual(outcome, { type: 'failed', error: down, retryIn: 60_000 })
})

test('after the third attempt it is given up', async () => {
  const outcome = await perform(sendEmail, ada, { ...options, attempt: 3 })
  assert.deepEqual(outcome, { type: 'killed', error: down })
})

test('a hopeless address is not tried again', async () => {
  const outcome = await perform(sendEmail, { to: 'ada@nowhere.invalid' }, options)
  assert.equal(outcome.type, 'killed')
})

test('what is no address cannot be pushed', async () => {
  await assert.rejects(perform(sendEmail, { to: 'ada' }, options), isEncodeError)
})
// #endregion

// #region types
test('what does not fit does not compile', async () => {
  // @ts-expect-error there is no smtp
  await perform(sendEmail, ada, { queue })
  // @ts-expect-error the schema wants a text
  await assert.rejects(perform(sendEmail, { to: 5 }, options))
})
// #endregion

// #region timeout
/** A server that never answers: it waits until it is told to stop. */
const silent: Smtp = {
  send: (_to, _subject, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    }),
}

test('a server that does not answer is left alone after ten seconds', async () => {
  const clock = new TestClock()
  const performing = perform(sendEmail, ada, {
    queue,
    data: { smtp: silent },
    timeout: '10s',
    clock,
  })
  await clock.advance('10s')
  const outcome = await performing
  assert.equal(outcome.type, 'failed')
  assert.match(String(outcome.error), /took longer than 10000 ms/)
})

test('a shutdown interrupts, and the email is sent another time', async () => {
  const clock = new TestClock()
  const shutdown = new AbortController()
  const performing = perform(sendEmail, ada, {
    queue,
    data: { smtp: silent },
    signal: shutdown.signal,
    clock,
  })
  await clock.settle()
  shutdown.abort()
  // Released at once, without having used the attempt.
  assert.deepEqual(await performing, { type: 'released', dueIn: 0 })
})
// #endregion
