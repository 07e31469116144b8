import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BackendError, isBackendError } from '../../src/errors/backend-errors.ts'
import { isLeaseLostError } from '../../src/errors/task-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { GuardedStore } from '../../src/storage/guarded-store.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { NewRow, TaskStore } from '../../src/storage/task-store.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

const row: NewRow = { id: 'a', args: '1', priority: 0, attempts: 5 }
const worker = { id: 'w', queue: 'q' }

function guarded<Tx = never>(wrap?: (store: TaskStore) => TaskStore<Tx>) {
  const clock = new TestClock()
  const faulty = new FaultyStore<never>(new MemoryStore({ clock }))
  const store = new GuardedStore<Tx>(wrap === undefined ? faulty : wrap(faulty), {
    clock,
    timeoutMs: 10_000,
  })
  return { clock, faulty, store }
}

describe('GuardedStore', () => {
  it('passes calls and answers on, and leaves no timer', async () => {
    const { clock, store } = guarded()
    assert.deepEqual(await store.insert('q', [row]), [{ id: 'a', existing: false }])
    assert.equal((await store.get('q', ['a', 'b']))[0]?.args, '1')
    assert.equal(clock.timers, 0)
  })

  it('ends a call that does not answer, naming the operation', async () => {
    const { clock, faulty, store } = guarded()
    const held = faulty.holdBefore('insert')
    const failed = assert.rejects(store.insert('q', [row]), (error) => {
      assert.ok(isBackendError(error))
      const { operation, transient, applied, message } = error
      assert.deepEqual(
        { operation, transient, applied },
        { operation: 'insert', transient: true, applied: 'unknown' },
      )
      assert.equal(message, 'cannot insert: no answer within 10000 ms')
      return true
    })
    await held.reached
    await clock.advance('10s')
    await failed
    // What comes late disturbs nobody, an error included.
    faulty.failBefore('claim', new Error('late'))
    held.release()
    await clock.settle()
    assert.equal((await store.count('q')).pending, 1)
    assert.equal(clock.timers, 0)
  })

  it('gives the storage its full time', async () => {
    const { clock, faulty, store } = guarded()
    const held = faulty.holdBefore('count')
    const counts = store.count('q')
    await held.reached
    await clock.advance(9_999)
    held.release()
    assert.equal((await counts).pending, 0)
  })

  it('makes a BackendError of whatever is thrown or rejected, and keeps what the store said', async () => {
    const { faulty, store } = guarded()
    const cause = new Error('connection reset')
    faulty.failBefore('count', cause)
    await assert.rejects(store.count('q'), (error) => {
      assert.ok(isBackendError(error))
      assert.equal(error.cause, cause)
      assert.equal(error.message, 'cannot count: connection reset')
      return error.transient && error.applied === 'unknown'
    })
    faulty.failBefore('count', 'text')
    await assert.rejects(store.count('q'), /cannot count: text/)
    const own = new BackendError('insert', 'disk full', { transient: false, applied: 'no' })
    faulty.failBefore('count', own)
    await assert.rejects(store.count('q'), (error) => error === own)
  })

  it('turns what a store throws instead of rejecting into a rejection', async () => {
    const { store } = guarded((inner) =>
      Object.assign(Object.create(inner), {
        count() {
          throw new TypeError('thrown at once')
        },
      }),
    )
    await assert.rejects(store.count('q'), /cannot count: thrown at once/)
  })

  it('lets LeaseLostError and OptionError pass', async () => {
    const { faulty, store } = guarded()
    await assert.rejects(store.beat(worker), isLeaseLostError)
    faulty.failBefore('insert', new OptionError('within', 1, 'a transaction'))
    await assert.rejects(
      store.insert('q', [row]),
      (error) => error instanceof OptionError && error.option === 'within',
    )
  })

  it('asks at once in a transaction of the caller, and does not time it', async () => {
    let asked = 0
    const answer = Promise.withResolvers<never[]>()
    const { clock, store } = guarded<string>((inner) =>
      Object.assign(Object.create(inner), {
        insert(_queue: string, _rows: unknown, { within }: { within?: string }) {
          assert.equal(within, 'tx')
          asked += 1
          return answer.promise
        },
      }),
    )
    const inserted = store.insert('q', [row], { within: 'tx' })
    assert.equal(asked, 1)
    await clock.advance('1h')
    answer.resolve([])
    assert.deepEqual(await inserted, [])
    const failed = guarded<string>((inner) =>
      Object.assign(Object.create(inner), {
        settle: () => Promise.reject(new Error('aborted transaction')),
      }),
    )
    await assert.rejects(failed.store.settle(worker, [], { within: 'tx' }), isBackendError)
  })

  it('has exchange where the store has it, and only there', async () => {
    const { store, faulty } = guarded()
    assert.ok(store.exchange)
    await store.register({ ...worker, name: 'w', leaseMs: 1_000, layers: [] })
    const answer = await store.exchange(worker, [], 1, { suspects: 1 })
    assert.deepEqual(answer.settled, [])
    faulty.failAfter('exchange')
    await assert.rejects(store.exchange(worker, [], 1, { suspects: 1 }), isBackendError)
    const without = guarded((inner) => Object.assign(Object.create(inner), { exchange: undefined }))
    assert.equal(without.store.exchange, undefined)
  })

  it('ends a subscription that came after its timeout', async () => {
    const { clock, faulty, store } = guarded()
    const held = faulty.holdAfter('listen')
    const failed = assert.rejects(
      store.listen(() => undefined),
      /cannot listen: no answer/,
    )
    await held.reached
    assert.equal(faulty.listeners, 1)
    await clock.advance('10s')
    await failed
    held.release()
    await clock.settle()
    assert.equal(faulty.listeners, 0)
  })

  it('closes the store once and refuses every call from then on', async () => {
    const { faulty, store } = guarded()
    await Promise.all([store.close(), store.close()])
    assert.equal(faulty.calls('close').length, 1)
    await assert.rejects(store.count('q'), (error) => {
      assert.ok(isBackendError(error))
      assert.match(error.message, /the storage is closed/)
      return !error.transient && error.applied === 'no'
    })
    assert.equal(faulty.calls('count').length, 0)
  })
})
