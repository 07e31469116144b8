import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isBackendError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { turn } from '../../src/time/clock.ts'
import { Lab } from './lab.ts'

const closed = (error: unknown) =>
  isBackendError(error) && !error.transient && /the storage is closed/.test(error.message)

describe('Storage', () => {
  it('refuses options that cannot be, naming them', () => {
    const store = new MemoryStore()
    for (const [option, options] of [
      ['storage.clock', { clock: {} }],
      ['storage.lease', { lease: 99 }],
      ['storage.callTimeout', { callTimeout: 0 }],
      ['storage.enrich', { enrich: {} }],
      ['storage.retention', { retention: '7d' }],
      ['storage.retention.done', { retention: { done: true } }],
      ['storage.retention.killed', { retention: { killed: 'never' } }],
      ['storage.retention.failed', { retention: { failed: '1d' } }],
      ['storage.purgeEvery', { purgeEvery: 1 }],
      ['storage.safetyPoll', { safetyPoll: 1 }],
      ['storage.leese', { leese: '30s' }],
    ] as const) {
      assert.throws(
        () => new Storage(store, options as never),
        (error) => error instanceof OptionError && error.option === option,
        option,
      )
    }
    assert.ok(new Storage(store, { lease: 100, retention: { done: false, killed: 0 } }))
    // Who mistypes an option is told all that this storage has.
    const names =
      /one of the options keepFinished, clock, lease, callTimeout, enrich, retention, purgeEvery, safetyPoll, got/
    assert.throws(() => new MemoryStorage({ keepFinshed: 1 } as never), names)
  })

  it('refuses queue options that cannot be, naming them', () => {
    const storage = new MemoryStorage()
    for (const [option, value] of [
      ['args', {}],
      ['args', { encode: String }],
      ['result', null],
      ['attempts', 0],
      ['attempts', 2.5],
      ['attempts', 1_000_001],
      ['backoff', '1s'],
      ['priority', 32_768],
      ['timeout', 0],
      ['maxSize', 0],
      ['maxReleases', 0],
      ['maxRescues', 2],
      ['maxRescues', '3'],
      ['enrich', { a: 1 }],
      ['retries', 3],
    ] as const) {
      assert.throws(
        () => storage.queue('q', { [option]: value } as never),
        (error) => error instanceof OptionError && error.option === `queue.${option}`,
        option,
      )
    }
    assert.throws(() => storage.queue('q', { maxRescues: 2 }), /runs alone from its second rescue/)
  })

  it('tells workers of a queue what its options say', async () => {
    const clock = new TestClock()
    const storage = new MemoryStorage({ clock })
    const backoff = () => 5
    const queue = storage.queue<number>('q', { backoff, maxReleases: 7 })
    assert.equal(queue.name, 'q')
    assert.equal(queue.clock, clock)
    assert.equal(queue.backoff, backoff)
    assert.equal(queue.maxReleases, 7)
    assert.equal(queue.codec.decode('5'), 5)
    const usual = storage.queue<number>('q')
    assert.equal(usual.maxReleases, 1_000)
    for (let attempt = 1; attempt < 50; attempt += 1) {
      const wait = await usual.backoff(attempt, undefined, undefined as never)
      assert.ok(typeof wait === 'number' && wait >= 0)
      assert.ok(wait <= Math.min(1_000 * 2 ** (attempt - 1), 3_600_000))
    }
  })
})

describe('Storage.close', () => {
  it('lets pushes under way end, then refuses everything with a clear error', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const held = lab.store.holdBefore('insert', { times: 2 })
    const pushed = [queue.push(1), queue.push(2, { onDuplicate: 'throw', id: 'x' })]
    await held.reached
    const gathered = queue.push(3)
    const closing = lab.storage.close()
    await assert.rejects(queue.push(4), closed)
    await assert.rejects(queue.push(5, { onDuplicate: 'throw' }), closed)
    assert.equal(lab.store.calls('close').length, 0)
    held.release()
    await Promise.all([...pushed, gathered, closing])
    assert.equal(lab.store.calls('close').length, 1)
    assert.deepEqual(
      (await lab.args('q')).map(Number).toSorted((one, other) => one - other),
      [1, 2, 3],
    )
    await assert.rejects(queue.push(6), closed)
    await assert.rejects(queue.fetchById('x'), closed)
    await assert.rejects(queue.metrics(), closed)
    await assert.rejects(lab.storage.listQueues(), closed)
    await assert.rejects(lab.storage.queue<number>('new').push(1), closed)
    assert.equal(lab.clock.timers, 0)
  })

  it('may be called again, and by await using', async () => {
    const lab = new Lab()
    {
      await using storage = lab.storage
      await storage.queue<number>('q').push(1)
    }
    await lab.storage.close()
    assert.equal(lab.store.calls('close').length, 1)
  })

  it('ends a subscription that was on its way', async () => {
    const lab = new Lab()
    const listening = lab.store.holdAfter('listen')
    const waiting = assert.rejects(lab.storage.queue<number>('q').result('x'))
    await listening.reached
    await lab.storage.close()
    await waiting
    assert.equal(lab.store.listeners, 1)
    listening.release()
    await lab.clock.settle()
    assert.equal(lab.store.listeners, 0)
  })

  it('passes on what the store’s own close throws, after all else is done', async () => {
    const lab = new Lab()
    lab.store.failBefore('close', new Error('cannot sync'))
    await assert.rejects(lab.storage.close(), /cannot sync/)
    await assert.rejects(lab.storage.queue('q').push(1), closed)
  })
})

describe('MemoryStorage', () => {
  it('is a storage that keeps the last finished tasks', async () => {
    const storage = new MemoryStorage({ keepFinished: 2 })
    const queue = storage.queue<number>('q')
    for (const id of ['a', 'b', 'c']) {
      await queue.push(1, { id })
      await queue.kill(id)
    }
    assert.deepEqual(
      (await queue.checkStatus(['a', 'b', 'c'])).map(({ status }) => status),
      [undefined, 'killed', 'killed'],
    )
    assert.throws(() => new MemoryStorage({ keepFinished: -1 }), OptionError)
    await storage.close()
  })

  it('keeps what a handler does to arguments and metadata from what is stored', async () => {
    const storage = new MemoryStorage()
    const queue = storage.queue<{ n: number }>('q')
    const id = await queue.push({ n: 1 }, { metadata: { a: [1] } })
    const task = await queue.fetchById(id)
    assert.ok(task)
    task.args.n = 2
    assert.throws(() => (task.parts.metadata['a'] as number[]).push(2), TypeError)
    const again = await queue.fetchById(id)
    assert.deepEqual(again?.args, { n: 1 })
    assert.deepEqual(again.parts.metadata, { a: [1] })
    await turn()
  })
})
