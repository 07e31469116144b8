import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tap, type TapListeners } from '../../src/layers/tap.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'

async function run(listeners: TapListeners<string>) {
  const mock = mockService<TaskRequest<string>, string>()
  const worker = new TestContext()
  const request = testRequest('args', { worker })
  const result = Promise.resolve(tap(listeners)(mock.service).call(request))
  result.catch(() => {})
  const inside = await mock.request()
  return { inside, worker, request, result }
}

test('tells what goes in and what comes out, and changes neither', async () => {
  const seen: unknown[] = []
  const listeners: TapListeners<string> = {
    request: ({ task }) => seen.push(['request', task.args]),
    result: (result, { task }) => seen.push(['result', result, task.args]),
    error: (error, { task }) => seen.push(['error', error, task.args]),
  }
  const good = await run(listeners)
  assert.equal(good.inside.request, good.request)
  good.inside.respond('done')
  assert.equal(await good.result, 'done')
  const failure = new Error('inside')
  const bad = await run(listeners)
  bad.inside.fail(failure)
  await assert.rejects(bad.result, failure)
  assert.deepEqual(seen, [
    ['request', 'args'],
    ['result', 'done', 'args'],
    ['request', 'args'],
    ['error', failure, 'args'],
  ])
})

test('a listener that throws or rejects disturbs nothing and is told', async () => {
  const failure = new Error('listener')
  const fails = (): never => {
    throw failure
  }
  const listeners = { request: async () => fails(), result: fails, error: fails }
  const good = await run(listeners)
  good.inside.respond('done')
  assert.equal(await good.result, 'done')
  const told = { type: 'error', operation: 'tap', error: failure }
  assert.deepEqual(good.worker.events, [told, told])
  const bad = await run(listeners)
  const inner = new Error('inside')
  bad.inside.fail(inner)
  await assert.rejects(bad.result, inner)
  assert.deepEqual(bad.worker.events, [told, told])
})

test('nobody waits for a listener', async () => {
  const never = new Promise(() => {})
  const { inside, result } = await run({ request: () => never, result: () => never })
  inside.respond('done')
  assert.equal(await result, 'done')
})

test('what is synchronous stays synchronous, and the capacity is that of the inside', () => {
  const seen: unknown[] = []
  const listeners = { result: (n: unknown) => seen.push(n), error: (e: unknown) => seen.push(e) }
  const service = tap(listeners)({ call: () => 5, capacity: () => 3 })
  assert.equal(service.call(testRequest('')), 5)
  assert.equal(service.capacity?.(), 3)
  const failure = new Error('inside')
  const failing = tap(listeners)({
    call() {
      throw failure
    },
  })
  assert.throws(() => failing.call(testRequest('')), failure)
  assert.deepEqual(seen, [5, failure])
})

test('refuses what is no listener', () => {
  // @ts-expect-error a listener has to be a function
  assert.throws(() => tap({ result: 5 }), { code: 'ERR_OPTION', option: 'tap.result' })
  // @ts-expect-error there is no such listener
  assert.throws(() => tap({ response: () => {} }), { code: 'ERR_OPTION', option: 'tap.response' })
})
