import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { circuitBreaker } from '../../src/layers/circuit-breaker.ts'
import { retry } from '../../src/layers/retry.ts'
import { constant } from '../../src/task/backoff.ts'
import { user } from './lab.ts'

// Callbacks that answer with a promise where an answer is expected at once, or whose promise nobody waits for any more. What
// such a promise rejects with must not end the process.

const failure = new Error('late')
const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
before(() => process.on('unhandledRejection', note))
after(() => process.off('unhandledRejection', note))

/** What JavaScript gives where a yes or no is asked for. */
const late = async (): Promise<never> => {
  throw failure
}

test('an async listener of a circuit breaker that rejects is told to the workers', async () => {
  const layer = circuitBreaker({ failures: 1 })
  const { pass, worker, clock } = user(layer)
  layer.onChange(late)
  await pass('fail')
  await clock.settle()
  assert.deepEqual(worker.events.at(-1), {
    type: 'error',
    operation: 'circuitBreaker onChange',
    error: failure,
  })
  assert.deepEqual(unhandled, [])
})

test('an async `counts` is reported, and the default counts', async () => {
  // @ts-expect-error it has to answer at once
  const layer = circuitBreaker({ failures: 1, counts: late })
  const { pass, worker, clock } = user(layer)
  await pass('fail', new Error('down'))
  await clock.settle()
  assert.equal(layer.state, 'open')
  const [report] = worker.events
  assert.ok(report?.type === 'error' && 'operation' in report)
  assert.equal(report.operation, 'circuitBreaker counts')
  assert.match(String(report.error), /has to answer at once/)
  assert.deepEqual(unhandled, [])
})

test('an async `when` is reported, and ends the retries', async () => {
  // @ts-expect-error it has to answer at once
  const { pass, mock, worker, clock } = user(retry({ backoff: constant(1), when: late }))
  await pass('fail', new Error('down'))
  await clock.advance('1s')
  assert.equal(mock.calls, 1)
  const [report] = worker.events
  assert.ok(report?.type === 'error' && 'operation' in report)
  assert.equal(report.operation, 'retry when')
  assert.match(String(report.error), /has to answer at once/)
  assert.deepEqual(unhandled, [])
})

test('a backoff that stops the worker and rejects later ends the retries', async () => {
  const scene = user(
    retry({
      backoff: () => {
        scene.worker.stop()
        return late()
      },
    }),
  )
  await scene.pass('fail', new Error('down'))
  await scene.clock.settle()
  assert.equal(scene.mock.calls, 1)
  assert.deepEqual(unhandled, [])
})

test('a backoff that never answers is reported', async () => {
  const { call, mock, worker, clock } = user(retry({ backoff: () => new Promise(() => {}) }))
  const { result } = call()
  const inside = await mock.request()
  inside.fail(new Error('down'))
  await clock.advance('10s')
  await assert.rejects(result, /down/)
  const [report] = worker.events
  assert.ok(report?.type === 'error' && 'operation' in report)
  assert.equal(report.operation, 'backoff')
  assert.match(String(report.error), /took longer than 10000 ms/)
})
