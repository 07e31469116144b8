import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { StoreSignal } from '@apalis/core'
import { type Look, Poller } from '../src/poller.ts'

/** A poller that sees what it is given, one after the other, and what it tells. */
function looking(): {
  readonly poller: Poller
  /** It sees this; settles with what it told of it. */
  readonly sees: (queues: Look['queues']) => Promise<readonly StoreSignal[]>
} {
  let asked = Promise.withResolvers<(look: Look) => void>()
  let told: StoreSignal[] = []
  const poller = new Poller({
    look: () =>
      new Promise((resolve) => {
        asked.resolve(resolve)
      }),
    tell: (signals) => told.push(...signals),
    onEnd: (error) => assert.fail(String(error)),
  })
  return {
    poller,
    async sees(queues) {
      const answer = await asked.promise
      asked = Promise.withResolvers()
      answer({ now: 0, queues, killed: null, last: null, settled: null })
      // Once it has told, it waits for its next look.
      await turn()
      const all = told
      told = []
      return all
    },
  }
}

const idle = { name: 'mail', paused: false, due: false, dueAt: null }
const resumed = [{ type: 'resumed', queue: 'mail' }]

test('a pause and its end are told', async () => {
  const { poller, sees } = looking()
  const started = poller.start()
  assert.deepEqual(await sees([{ ...idle, paused: true }]), [])
  await started
  assert.deepEqual(await sees([idle]), resumed)
  assert.deepEqual(await sees([{ ...idle, paused: true }]), [{ type: 'paused', queue: 'mail' }])
  poller.stop()
})

test('a pause between two looks that only a worker has heard of: its end is told', async () => {
  const { poller, sees } = looking()
  const started = poller.start()
  // The queue is not there yet.
  poller.told('mail', true)
  assert.deepEqual(await sees([idle]), resumed)
  await started
  poller.told('mail', true)
  assert.deepEqual(await sees([idle]), resumed)
  poller.told('mail', false)
  assert.deepEqual(await sees([idle]), [])
  poller.stop()
})
