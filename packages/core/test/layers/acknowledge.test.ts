import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acknowledge, type CallOutcome } from '../../src/layers/acknowledge.ts'
import type { Service, TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestContext } from '../../src/testing/test-context.ts'
import { testRequest } from '../../src/testing/test-request.ts'

function run(fn: (outcome: CallOutcome, request: TaskRequest) => void | Promise<void>) {
  const worker = new TestContext()
  const mock = mockService<TaskRequest, string>()
  const request = testRequest('args', { worker })
  const result = Promise.resolve(acknowledge(fn)(mock.service).call(request))
  result.catch(() => {})
  return { worker, mock, request, result }
}

test('is told what comes out, with the request', async () => {
  const told: unknown[] = []
  const tell = (outcome: CallOutcome, request: TaskRequest) => void told.push(outcome, request.id)
  const good = run(tell)
  const goodCall = await good.mock.request()
  goodCall.respond('done')
  assert.equal(await good.result, 'done')
  const bad = run(tell)
  const error = new Error('inside')
  const badCall = await bad.mock.request()
  badCall.fail(error)
  await assert.rejects(bad.result, error)
  assert.deepEqual(told, [
    { ok: true, result: 'done' },
    good.request.id,
    { ok: false, error },
    bad.request.id,
  ])
})

test('is waited for, and counts as the work of the worker', async () => {
  const gate = Promise.withResolvers<void>()
  const { worker, mock, result } = run(() => gate.promise)
  let settled = false
  void result.then(() => {
    settled = true
  })
  const { respond } = await mock.request()
  respond('done')
  await new Promise(setImmediate)
  assert.equal(settled, false)
  assert.equal(worker.taskCount, 1)
  gate.resolve()
  assert.equal(await result, 'done')
  assert.equal(worker.taskCount, 0)
})

test('is waited for no longer when the signal aborts, but still counts', async () => {
  const gate = Promise.withResolvers<void>()
  const { worker, mock, request, result } = run(() => gate.promise)
  const { respond } = await mock.request()
  respond('done')
  await new Promise(setImmediate)
  request.abort(new Error('shutdown'))
  assert.equal(await result, 'done')
  assert.equal(worker.taskCount, 1)
  gate.resolve()
  await new Promise(setImmediate)
  assert.equal(worker.taskCount, 0)
})

for (const [how, fail] of [
  [
    'throws',
    (error: Error) => {
      throw error
    },
  ],
  ['rejects', (error: Error) => Promise.reject(error)],
] as const) {
  test(`one that ${how} changes no outcome, and is told to the listeners`, async () => {
    const error = new Error('acknowledgement')
    const good = run(() => fail(error))
    const goodCall = await good.mock.request()
    goodCall.respond('done')
    assert.equal(await good.result, 'done')
    assert.deepEqual(good.worker.events, [{ type: 'error', operation: 'acknowledge', error }])
    const bad = run(() => fail(error))
    const inside = new Error('inside')
    const badCall = await bad.mock.request()
    badCall.fail(inside)
    await assert.rejects(bad.result, inside)
    assert.equal(bad.worker.events.length, 1)
  })
}

test('what is synchronous stays synchronous', () => {
  const told: CallOutcome[] = []
  const wrap = (call: Service<TaskRequest, number>['call']) =>
    acknowledge((outcome) => void told.push(outcome))({ call })
  assert.equal(wrap(() => 5).call(testRequest('')), 5)
  const error = new Error('sync')
  const failing = wrap(() => {
    throw error
  })
  assert.throws(() => failing.call(testRequest('')), error)
  assert.deepEqual(told, [
    { ok: true, result: 5 },
    { ok: false, error },
  ])
})

test('a synchronous outcome waits for an asynchronous acknowledgement', async () => {
  const layer = acknowledge(async () => {})
  assert.equal(await layer({ call: () => 5 }).call(testRequest('')), 5)
  const error = new Error('sync')
  const failing = layer({
    call: () => {
      throw error
    },
  })
  await assert.rejects(Promise.resolve(failing.call(testRequest(''))), error)
})

test('refuses what is no function', () => {
  // @ts-expect-error an acknowledgement has to be a function
  assert.throws(() => acknowledge('ack'), { code: 'ERR_OPTION', option: 'acknowledge' })
})
