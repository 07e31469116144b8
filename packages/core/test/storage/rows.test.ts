import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { json } from '../../src/codec/json.ts'
import { isDecodeError, isEncodeError } from '../../src/errors/backend-errors.ts'
import { toStoredError } from '../../src/errors/stored-error.ts'
import { isRetryAfterError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { Ledger } from '../../src/storage/ledger.ts'
import { restoreError } from '../../src/storage/restored-error.ts'
import { resultEncoder } from '../../src/storage/results.ts'
import { taskOf } from '../../src/storage/rows.ts'
import type { ClaimedRow } from '../../src/storage/task-store.ts'

const row: ClaimedRow = {
  id: 'a',
  args: '{"n":1}',
  priority: 2,
  attempt: 3,
  attempts: 5,
  runAt: 1_000,
  createdAt: 500,
  epoch: 7,
  rescues: 1,
  releases: 4,
  lockedAt: 2_000,
  errors: [{ name: 'Error', message: 'no', at: 900, attempt: 2 }],
}

const entry = new Ledger().add(row, 'worker', undefined)

describe('taskOf', () => {
  it('is the claimed task, running and held by its worker', () => {
    const task = taskOf(row, 'q', entry, json<{ n: number }>())
    assert.ok('args' in task)
    assert.deepEqual(task.args, { n: 1 })
    const { parts } = task
    assert.equal(parts.taskId, 'a')
    assert.equal(parts.status, 'running')
    assert.deepEqual(parts.attempt, { current: 3, max: 5 })
    assert.deepEqual(parts.runAt, new Date(1_000))
    assert.equal(parts.timeoutMs, undefined)
    assert.deepEqual(parts.metadata, {})
    const { context } = parts
    assert.equal(context.queue, 'q')
    assert.equal(context.priority, 2)
    assert.equal(context.epoch, 7)
    assert.equal(context.rescues, 1)
    assert.equal(context.releases, 4)
    assert.equal(context.lockedBy, 'worker')
    assert.deepEqual(context.lockedAt, new Date(2_000))
    assert.deepEqual(context.createdAt, new Date(500))
    assert.equal(context.finishedAt, undefined)
    assert.deepEqual(context.errors, [
      { name: 'Error', message: 'no', at: new Date(900), attempt: 2 },
    ])
  })

  it('makes dates and context once', () => {
    const { parts } = taskOf(row, 'q', entry, json())
    assert.equal(parts.runAt, parts.runAt)
    assert.equal(parts.context, parts.context)
    assert.equal(parts.context.errors, parts.context.errors)
  })

  it('is undecodable, with its parts, where the codec cannot read it', () => {
    const broken = taskOf({ ...row, args: '{' }, 'q', entry, json())
    assert.ok('error' in broken)
    assert.equal(broken.parts.taskId, 'a')
    assert.equal(broken.parts.context.epoch, 7)
    assert.ok(isDecodeError(broken.error))
    assert.match(broken.error.message, /^cannot decode the arguments of task a: /)
  })

  it('wraps whatever a codec of the caller’s own throws', () => {
    for (const thrown of [new TypeError('bad'), 'bad', undefined, Object.create(null)]) {
      const decode = (): never => {
        throw thrown
      }
      const broken = taskOf(row, 'q', entry, { encode: String, decode })
      assert.ok('error' in broken && isDecodeError(broken.error))
      assert.equal(broken.error.cause, thrown)
    }
  })
})

describe('resultEncoder', () => {
  it('keeps nothing where the queue has no codec, or there is nothing', () => {
    assert.equal(resultEncoder<number>(undefined, 10)(5), undefined)
    assert.equal(resultEncoder(json<undefined>(), 10)(undefined), undefined)
    assert.equal(resultEncoder(json<null>(), 10)(null), 'null')
  })

  it('refuses what cannot be stored, or is too large', () => {
    const encode = resultEncoder(json<unknown>(), 10)
    assert.equal(encode({ n: 1 }), '{"n":1}')
    assert.throws(
      () => encode({ when: new Date() }),
      (error) => isEncodeError(error) && error.path === 'when',
    )
    assert.throws(() => encode('x'.repeat(9)), /cannot store the result: 11 bytes are more than 10/)
  })
})

describe('restoreError', () => {
  it('brings back what was stored, so that guards know it', () => {
    const thrown = new RetryAfterError(new TypeError('busy'), '5m')
    const restored = restoreError(toStoredError(thrown))
    assert.ok(isRetryAfterError(restored))
    assert.equal(String(restored), 'RetryAfterError: busy')
    assert.equal(restored.stack, thrown.stack)
    assert.equal(String(restored.cause), 'TypeError: busy')
    assert.equal(restoreError({ name: 'A', message: 'b' }).stack, 'A: b')
  })
})
