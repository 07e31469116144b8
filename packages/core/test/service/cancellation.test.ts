import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cancellationOf, orAborted, RunCancellation } from '../../src/service/cancellation.ts'

test('its signal may be asked for before or after the abort', () => {
  const before = new RunCancellation()
  const { signal } = before
  before.abort('first')
  before.abort('second')
  assert.equal(signal.aborted, true)
  assert.equal(signal.reason, 'first')
  const after = new RunCancellation()
  after.abort('reason')
  assert.equal(after.signal.reason, 'reason')
})

for (const [name, make] of [
  [
    'RunCancellation',
    () => {
      const cancellation = new RunCancellation()
      return { cancellation, abort: (reason: unknown) => cancellation.abort(reason) }
    },
  ],
  [
    'cancellationOf',
    () => {
      const controller = new AbortController()
      const cancellation = cancellationOf(controller.signal)
      return { cancellation, abort: (reason: unknown) => controller.abort(reason) }
    },
  ],
] as const) {
  test(`${name}: calls back once, unless taken off, and at once when it has aborted`, () => {
    const { cancellation, abort } = make()
    const heard: unknown[] = []
    cancellation.onAbort((reason) => heard.push(['kept', reason]))
    cancellation.onAbort((reason) => heard.push(['taken off', reason]))()
    assert.equal(cancellation.aborted, false)
    abort('late')
    abort('again')
    assert.equal(cancellation.aborted, true)
    assert.equal(cancellation.reason, 'late')
    cancellation.onAbort((reason) => heard.push(['after', reason]))()
    assert.deepEqual(heard, [
      ['kept', 'late'],
      ['after', 'late'],
    ])
  })
}

test('orAborted: whichever is first', async () => {
  assert.equal(await orAborted(new RunCancellation(), Promise.resolve(5)), 5)
  const failure = new Error('work')
  await assert.rejects(orAborted(new RunCancellation(), Promise.reject(failure)), failure)
  const cancellation = new RunCancellation()
  const reason = new Error('abort')
  const { promise, reject } = Promise.withResolvers<never>()
  const waiting = orAborted(cancellation, promise)
  cancellation.abort(reason)
  await assert.rejects(waiting, reason)
  // What comes later disturbs nobody.
  reject(new Error('late'))
  await assert.rejects(orAborted(cancellation, Promise.resolve(5)), reason)
})
