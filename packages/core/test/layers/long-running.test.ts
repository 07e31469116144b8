import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallOutcome } from '../../src/layers/acknowledge.ts'
import { longRunning, type LongRunningOptions, type Runner } from '../../src/layers/long-running.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { sleep } from '../../src/time/clock.ts'

/** One run under the layer; the test plays its handler. */
async function run(options?: LongRunningOptions) {
  const clock = new TestClock()
  const worker = new TestContext()
  const mock = mockService<TaskRequest<string, { readonly runner: Runner }>, string>()
  const request = testRequest('args', { clock, worker })
  const result = Promise.resolve(longRunning(options)(mock.service).call(request))
  let settled = false
  const settle = (): void => {
    settled = true
  }
  result.then(settle, settle)
  const handler = await mock.request()
  return {
    clock,
    worker,
    request,
    result,
    handler,
    runner: handler.request.data.runner,
    isSettled: () => settled,
  }
}

/** Work that the test ends. */
function held<Result>() {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal): Promise<Result> => {
    signals.push(signal)
    return promise
  }
  return { work, resolve, reject, signal: () => signals[0] as AbortSignal }
}

test('the run goes on until its work has ended, and the worker counts each piece', async () => {
  const { clock, worker, result, handler, runner, isSettled } = await run()
  const [one, two] = [held<void>(), held<void>()]
  runner.execute(one.work)
  runner.execute(two.work)
  assert.equal(worker.taskCount, 2)
  handler.respond('done')
  one.resolve()
  await clock.settle()
  assert.equal(isSettled(), false)
  assert.equal(worker.taskCount, 1)
  two.resolve()
  assert.equal(await result, 'done')
  assert.equal(worker.taskCount, 0)
  assert.equal(clock.timers, 0)
})

test('work may start more work, which the run waits for too', async () => {
  const { clock, result, handler, runner, isSettled } = await run()
  const [outer, inner] = [held<void>(), held<void>()]
  runner.execute(async (signal) => {
    await outer.work(signal)
    runner.execute(inner.work)
  })
  handler.respond('done')
  outer.resolve()
  await clock.settle()
  assert.equal(isSettled(), false)
  inner.resolve()
  assert.equal(await result, 'done')
})

test('a channel gives back outcomes as they come, and ends when all were read', async () => {
  const { result, handler, runner } = await run()
  const channel = runner.channel<number>()
  const [one, two] = [held<number>(), held<number>()]
  channel.execute(one.work)
  channel.execute(two.work)
  channel.execute(() => 3)
  const seen: CallOutcome<number>[] = []
  const failure = new Error('failed')
  for await (const outcome of channel) {
    seen.push(outcome)
    if (seen.length === 1) two.resolve(2)
    if (seen.length === 2) one.reject(failure)
  }
  assert.deepEqual(seen, [
    { ok: true, result: 3 },
    { ok: true, result: 2 },
    { ok: false, error: failure },
  ])
  // It goes on when there is more.
  channel.execute(() => 4)
  for await (const outcome of channel) seen.push(outcome)
  assert.deepEqual(seen.at(-1), { ok: true, result: 4 })
  handler.respond('done')
  // What was read fails nothing.
  assert.equal(await result, 'done')
})

test('readers at the same time get each outcome once, and all of them end', async () => {
  const { handler, result, runner } = await run()
  const channel = runner.channel<number>()
  const work = held<number>()
  channel.execute(work.work)
  const read = async (): Promise<number> => {
    let count = 0
    for await (const outcome of channel) count += Number(outcome.ok)
    return count
  }
  const reading = Promise.all([read(), read(), read()])
  work.resolve(1)
  assert.deepEqual((await reading).toSorted(), [0, 0, 1])
  handler.respond('done')
  await result
})

test('a failure that nobody read fails the run; the first decides, and the others are told', async () => {
  const { clock, worker, result, handler, runner } = await run()
  const [first, second, third] = [new Error('1'), new Error('2'), new Error('3')]
  const late = held<never>()
  const channel = runner.channel<never>()
  channel.execute(late.work)
  runner.execute(() => {
    throw first
  })
  channel.execute(() => Promise.reject(second))
  handler.respond('done')
  await clock.settle()
  late.reject(third)
  await assert.rejects(result, first)
  const told = (error: Error) => ({ type: 'error', operation: 'longRunning', error })
  assert.deepEqual(worker.events, [told(second), told(third)])
})

test('after maxDuration the signal of that piece aborts, and its outcome is a TimeoutError', async () => {
  const { clock, request, result, handler, runner, isSettled } = await run({ maxDuration: '1m' })
  const channel = runner.channel<void>()
  const [slow, quick] = [held<void>(), held<void>()]
  channel.execute(slow.work)
  await clock.advance('30s')
  channel.execute(quick.work)
  const outcomes = channel[Symbol.asyncIterator]()
  const first = outcomes.next()
  await clock.advance('30s')
  const { value } = await first
  assert.ok(value?.ok === false)
  const { code, message } = value.error as { code: string; message: string }
  assert.equal(code, 'ERR_TASK_TIMEOUT')
  assert.equal(message, `work of task ${request.id} took longer than 60000 ms`)
  assert.equal(slow.signal().reason, value.error)
  assert.equal(quick.signal().aborted, false)
  quick.resolve()
  handler.respond('done')
  await clock.settle()
  // The claim is kept while the work goes on, for a second at most.
  assert.equal(isSettled(), false)
  slow.resolve()
  assert.equal(await result, 'done')
  assert.equal(clock.timers, 0)
})

test('work that ignores its signal is left behind after a second', async () => {
  const { clock, worker, result, handler, runner, isSettled } = await run({ maxDuration: '1m' })
  const channel = runner.channel<never>()
  channel.execute(() => new Promise(() => {}))
  handler.respond('done')
  const reading = channel[Symbol.asyncIterator]().next()
  await clock.advance('1m')
  assert.equal((await reading).value?.ok, false)
  await clock.advance('999ms')
  assert.equal(isSettled(), false)
  await clock.advance('1ms')
  assert.equal(await result, 'done')
  assert.equal(worker.taskCount, 0)
  assert.equal(clock.timers, 0)
})

test('a handler that throws ends its work, which gets the time to wind up', async () => {
  const { clock, result, handler, runner, isSettled } = await run()
  const failure = new Error('handler')
  let woundUp = false
  runner.execute(async (signal) => {
    await sleep(clock, 60_000, { signal })
    assert.equal(signal.reason, failure)
    await sleep(clock, 500)
    woundUp = true
  })
  handler.fail(failure)
  await clock.settle()
  assert.equal(isSettled(), false)
  assert.throws(() => runner.execute(() => {}), failure)
  await clock.advance('500ms')
  await assert.rejects(result, failure)
  assert.equal(woundUp, true)
  assert.equal(clock.timers, 0)
})

test('when the run has to end, its work ends for the same reason, and no more is taken', async () => {
  const { clock, request, result, handler, runner } = await run()
  const channel = runner.channel<void>()
  const work = held<void>()
  channel.execute(work.work)
  const reading = channel[Symbol.asyncIterator]().next()
  const reason = new Error('cancelled')
  request.abort(reason)
  assert.equal(work.signal().reason, reason)
  assert.deepEqual(await reading, { done: false, value: { ok: false, error: reason } })
  assert.throws(() => channel.execute(() => {}), reason)
  handler.fail(reason)
  work.resolve()
  await assert.rejects(result, reason)
  assert.equal(clock.timers, 0)
})

test('work that fails because the run ends fails the run, although the handler had returned', async () => {
  const { request, result, handler, runner } = await run()
  runner.execute((signal) => new Promise((_, reject) => signal.addEventListener('abort', reject)))
  handler.respond('done')
  const reason = new Error('timed out')
  request.abort(reason)
  await assert.rejects(result, reason)
})

test('after the run has ended no work is taken', async () => {
  const { result, handler, runner } = await run()
  handler.respond('done')
  await result
  const refusal = { code: 'ERR_LAYER', message: /after the run of its task had ended/ }
  assert.throws(() => runner.execute(() => {}), refusal)
  assert.throws(() => runner.channel().execute(() => {}), refusal)
})

test('10,000 pieces may be going on or unread, and no more', async () => {
  const { clock, result, handler, runner } = await run()
  const channel = runner.channel<number>()
  for (let n = 0; n < 10_000; n += 1) channel.execute(() => n)
  const refusal = { code: 'ERR_LAYER', message: /10000 pieces of work/ }
  assert.throws(() => channel.execute(() => 0), refusal)
  await clock.settle()
  assert.throws(() => channel.execute(() => 0), refusal)
  await channel[Symbol.asyncIterator]().next()
  channel.execute(() => 0)
  handler.respond('done')
  assert.equal(await result, 'done')
})

test('without work what is synchronous stays synchronous, and the capacity is that of the inside', () => {
  const service = longRunning()({ call: () => 5, capacity: () => 3 })
  assert.equal(service.call(testRequest('')), 5)
  assert.equal(service.capacity?.(), 3)
  const failure = new Error('sync')
  const failing = longRunning()({
    call() {
      throw failure
    },
  })
  assert.throws(() => failing.call(testRequest('')), failure)
})

test('refuses what it cannot use', async () => {
  assert.throws(() => longRunning({ maxDuration: 0 }), { option: 'longRunning.maxDuration' })
  // @ts-expect-error no such option
  assert.throws(() => longRunning({ timeout: '1m' }), { option: 'longRunning.timeout' })
  const { runner } = await run()
  // @ts-expect-error work is a function, which gets the signal
  assert.throws(() => runner.execute(Promise.resolve()), { code: 'ERR_OPTION', option: 'work' })
})
