import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAbortError, isRetryAfterError } from '../../src/errors/task-errors.ts'
import { type ArgsVerdict, filter, type Predicate } from '../../src/layers/filter.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { testRequest } from '../../src/testing/test-request.ts'

function run(predicate: Predicate<ArgsVerdict<string>, string>) {
  const mock = mockService<TaskRequest<string>, string>()
  const request = testRequest('args', { metadata: { tenant: 'a' } })
  // Called in here, so that a synchronous throw is a rejection like any other.
  const result = (async () => filter(predicate)(mock.service).call(request))()
  result.catch(() => {})
  return { mock, request, result }
}

for (const [kind, wrap] of [
  ['sync', <Value>(value: Value) => value],
  ['async', async <Value>(value: Value) => value],
] as const) {
  test(`${kind}: true lets the request pass as it is`, async () => {
    const { mock, request, result } = run(() => wrap(true as const))
    const inside = await mock.request()
    assert.equal(inside.request, request)
    inside.respond('done')
    assert.equal(await result, 'done')
  })

  test(`${kind}: args go on in place of the task's own, with everything else that it is`, async () => {
    const { mock, request, result } = run(({ task }) => wrap({ args: task.args.toUpperCase() }))
    const inside = await mock.request()
    assert.equal(inside.request.task.args, 'ARGS')
    assert.equal(inside.request.task.parts, request.task.parts)
    assert.equal(inside.request.id, request.id)
    assert.deepEqual(inside.request.metadata, { tenant: 'a' })
    assert.equal(inside.request.extensions, request.extensions)
    assert.equal(request.task.args, 'args')
    request.abort(new Error('stop'))
    assert.equal(inside.request.signal.aborted, true)
    inside.respond('done')
    assert.equal(await result, 'done')
  })

  test(`${kind}: release ends as a snooze, and nothing inside is called`, async () => {
    const { mock, result } = run(() => wrap({ release: '5m', reason: 'not its turn' }))
    await assert.rejects(result, (error) => {
      assert.ok(isRetryAfterError(error))
      assert.equal(error.delayMs, 300_000)
      assert.equal(error.countAttempt, false)
      assert.equal(error.message, 'not its turn')
      return true
    })
    assert.equal(mock.calls, 0)
  })

  test(`${kind}: kill ends as an abort, with the reason or its cause`, async () => {
    await assert.rejects(run(() => wrap({ kill: 'unknown tenant' })).result, (error) => {
      return isAbortError(error) && error.message === 'unknown tenant'
    })
    const cause = new Error('no such tenant')
    const { mock, result } = run(() => wrap({ kill: cause }))
    await assert.rejects(result, (error) => isAbortError(error) && error.cause === cause)
    assert.equal(mock.calls, 0)
  })
}

test('a throw goes out as it is', async () => {
  const failure = new Error('database gone')
  for (const predicate of [
    () => {
      throw failure
    },
    async () => {
      throw failure
    },
  ]) {
    const { mock, result } = run(predicate)
    await assert.rejects(result, failure)
    assert.equal(mock.calls, 0)
  }
})

test('an answer that is no verdict fails the attempt and names it', async () => {
  for (const answer of [false, undefined, null, 'yes', {}, 1]) {
    // @ts-expect-error what is no verdict does not compile
    const { mock, result } = run(() => answer)
    await assert.rejects(result, { code: 'ERR_LAYER' })
    assert.equal(mock.calls, 0)
  }
  await assert.rejects(run(() => ({ release: -1 })).result, { code: 'ERR_OPTION' })
})

test('a predicate that never answers ends with the signal', async () => {
  const { mock, request, result } = run(() => new Promise(() => {}))
  const reason = new Error('timed out')
  request.abort(reason)
  await assert.rejects(result, reason)
  assert.equal(mock.calls, 0)
})

test('what is synchronous stays synchronous, and the capacity is that of the inside', () => {
  const service = filter(() => true)({ call: () => 5, capacity: () => 3 })
  assert.equal(service.call(testRequest('')), 5)
  assert.equal(service.capacity?.(), 3)
})

test('refuses what is no function', () => {
  // @ts-expect-error a predicate has to be a function
  assert.throws(() => filter(true), { code: 'ERR_OPTION', option: 'filter' })
})
