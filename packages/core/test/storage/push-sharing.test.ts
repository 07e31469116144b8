import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BackendError,
  isBackendError,
  isDuplicateTaskError,
  isUnknownOutcomeError,
} from '../../src/errors/backend-errors.ts'
import { Lanes } from '../../src/storage/lanes.ts'
import { Listener } from '../../src/storage/listener.ts'
import { turn } from '../../src/time/clock.ts'
import { Lab } from './lab.ts'

const refused = (message: string) =>
  new BackendError('insert', message, { transient: false, applied: 'no' })

/** How many rows each insert carried. */
const sizes = (lab: Lab) => lab.store.calls('insert').map(([, rows]) => rows.length)

describe('concurrent pushes', () => {
  it('share an insert, also from several views of the queue', async () => {
    const lab = new Lab()
    const one = lab.storage.queue<number>('q')
    const other = lab.storage.queue<number>('q', { attempts: 2 })
    const ids = await Promise.all([
      one.push(1),
      other.push(2),
      one.pushBulk([3, 4]),
      one.push(5),
      lab.storage.queue<number>('r').push(6),
    ])
    assert.deepEqual(sizes(lab), [5, 1])
    assert.deepEqual(await lab.args('q'), [1, 2, 3, 4, 5])
    assert.deepEqual(
      ids.slice(0, 4).flat(),
      (await lab.rows('q')).map(({ id }) => id),
    )
  })

  it('gather while an insert is under way', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const held = lab.store.holdBefore('insert')
    const first = queue.push(1)
    await held.reached
    const others = [queue.push(2), queue.push(3)]
    await turn()
    assert.deepEqual(sizes(lab), [1])
    held.release()
    await Promise.all([first, ...others])
    assert.deepEqual(sizes(lab), [1, 2])
    assert.deepEqual(await lab.args('q'), [1, 2, 3])
  })

  it('go by the thousand, and by less where there is much text', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q')
    await Promise.all(Array.from({ length: 2_500 }, () => queue.push('x')))
    assert.deepEqual(sizes(lab), [1_000, 1_000, 500])
    const large = 'x'.repeat(1_000_000)
    await Promise.all(Array.from({ length: 20 }, () => queue.push(large)))
    for (const size of sizes(lab).slice(3)) assert.ok(size <= 8, `${size} MB in one insert`)
  })

  it('never share a fate: one bad row among 50', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const error = refused('value too long')
    lab.store.failBefore('insert', error, {
      when: (_queue, rows) => rows.some(({ args }) => args === '13'),
      times: 1_000,
    })
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => queue.push(n)))
    const failed = results.flatMap((one, n) => (one.status === 'rejected' ? [[n, one.reason]] : []))
    assert.deepEqual(failed, [[13, error]])
    assert.deepEqual(
      await lab.args('q'),
      Array.from({ length: 50 }, (_, n) => n).filter((n) => n !== 13),
    )
  })

  it('never split the rows of one call', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    lab.store.failBefore('insert', refused('bad'), {
      when: (_queue, rows) => rows.some(({ args }) => args === '2'),
      times: 1_000,
    })
    const results = await Promise.allSettled([queue.pushBulk([1, 2, 3]), queue.push(4)])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    )
    assert.deepEqual(await lab.args('q'), [4])
  })

  it('all get the error of a storage that is down, which is not asked again for each', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const down = new BackendError('insert', 'down', { applied: 'no' })
    lab.store.failBefore('insert', down)
    const results = await Promise.allSettled([queue.push(1), queue.push(2)])
    assert.deepEqual(
      results.map((one) => one.status === 'rejected' && one.reason),
      [down, down],
    )
    assert.deepEqual(sizes(lab), [2])
  })

  it('with a unique key travel apart, so that a held up key holds up nobody else', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const held = lab.store.holdBefore('insert', {
      when: (_queue, rows) => rows.some(({ uniqueKey }) => uniqueKey !== undefined),
    })
    const keyed = [queue.push(1, { unique: 'k' }), queue.push(2, { unique: 'l' })]
    await held.reached
    await Promise.all([queue.push(3), queue.push(4)])
    assert.deepEqual(await lab.args('q'), [3, 4])
    held.release()
    await Promise.all(keyed)
    assert.deepEqual(sizes(lab), [2, 2])
  })

  it('with one unique key store one task: a hundred at once', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const ids = await Promise.all(
      Array.from({ length: 100 }, (_, n) => queue.push(n, { unique: 'k' })),
    )
    assert.equal(new Set(ids).size, 1)
    assert.deepEqual(await lab.args('q'), [0])
  })
})

describe('a push that meets another task', () => {
  it('with its id gives back that id and changes nothing', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    assert.equal(await queue.push(1, { id: 'x' }), 'x')
    assert.equal(await queue.push(2, { id: 'x', priority: 9 }), 'x')
    assert.deepEqual(await lab.args('q'), [1])
    assert.equal((await lab.row('q', 'x')).priority, 0)
    assert.equal(await lab.storage.queue<number>('r').push(3, { id: 'x' }), 'x')
    assert.deepEqual(await lab.args('r'), [3])
  })

  it('throws when it is to throw, naming the other, and travels alone', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const first = await queue.push(1, { unique: 'k' })
    const [plain, strict, duplicate] = await Promise.allSettled([
      queue.push(2),
      queue.push(3, { onDuplicate: 'throw', id: 'new' }),
      queue.push(4, { onDuplicate: 'throw', unique: 'k' }),
    ])
    assert.equal(plain.status, 'fulfilled')
    assert.deepEqual(strict, { status: 'fulfilled', value: 'new' })
    assert.ok(duplicate.status === 'rejected' && isDuplicateTaskError(duplicate.reason))
    assert.equal(duplicate.reason.existing, first)
    assert.deepEqual(sizes(lab), [1, 1, 1, 1])
    assert.deepEqual(
      (await lab.args('q')).map(Number).toSorted((one, other) => one - other),
      [1, 2, 3],
    )
  })

  it('is stored once the other is gone', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await queue.push(1, { id: 'x', unique: 'k' })
    await lab.finish('q')
    const second = await queue.push(2, { unique: 'k' })
    assert.notEqual(second, 'x')
    await queue.remove('x')
    assert.equal(await queue.push(3, { id: 'x', onDuplicate: 'throw' }), 'x')
    assert.deepEqual(await lab.args('q'), [2, 3])
  })
})

describe('a push whose outcome is unknown', () => {
  it('says so with the ids, and pushing with them again stores nothing twice', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    lab.store.failAfter('insert', new Error('connection reset'))
    const ids: string[] = []
    await assert.rejects(queue.push(1), (error) => {
      assert.ok(isUnknownOutcomeError(error))
      assert.ok(isBackendError(error.cause))
      ids.push(...error.ids)
      return true
    })
    const [id = ''] = ids
    assert.equal(await queue.push(1, { id }), id)
    assert.deepEqual(await lab.args('q'), [1])
  })

  it('carries the ids of its own call only, and those of a bulk in order', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    lab.store.failAfter('insert')
    const [single, bulk] = await Promise.allSettled([queue.push(1), queue.pushBulk([2, 3])])
    assert.ok(single.status === 'rejected' && isUnknownOutcomeError(single.reason))
    assert.ok(bulk.status === 'rejected' && isUnknownOutcomeError(bulk.reason))
    const { ids } = bulk.reason
    assert.deepEqual(
      (await lab.rows('q')).map(({ id }) => id),
      [...single.reason.ids, ...ids],
    )
    assert.deepEqual(await queue.pushBulk([2, 3], { ids }), ids)
    assert.deepEqual(await lab.args('q'), [1, 2, 3])
  })

  it('is what a timeout leaves, and not what a refusal does', async () => {
    const lab = new Lab({ callTimeout: '1s' })
    const queue = lab.storage.queue<number>('q')
    const held = lab.store.holdBefore('insert')
    const pushed = assert.rejects(queue.push(1), isUnknownOutcomeError)
    await held.reached
    await lab.clock.advance('1s')
    await pushed
    lab.store.failBefore('insert', refused('no'), { times: 2 })
    await assert.rejects(queue.push(2), isBackendError)
    await assert.rejects(queue.push(3, { onDuplicate: 'throw' }), isBackendError)
    lab.store.failAfter('insert')
    await assert.rejects(queue.push(4, { onDuplicate: 'throw' }), isUnknownOutcomeError)
    assert.equal(lab.clock.timers, 0)
  })
})

describe('Lanes', () => {
  it('wake this process when something was stored, or may have been', async () => {
    const { memory, store, clock } = new Lab()
    store.failBefore('listen', new Error('none here'), { times: 1_000 })
    const channel = new Listener(store, clock).channel('q')
    const lanes = new Lanes({ queue: 'q', store, clock, channel })
    let woken = 0
    channel.subscribe('due', () => (woken += 1))
    const row = (id: string) => ({ id, args: '1', priority: 0, attempts: 5 })
    const held = store.holdAfter('insert')
    const inserted = lanes.all([row('a')], false)
    await held.reached
    assert.equal(woken, 0)
    held.release()
    await inserted
    assert.equal(woken, 1)
    await lanes.all([row('a')], false)
    assert.equal(woken, 1, 'nothing new')
    await lanes.all([row('b')], true)
    assert.equal(woken, 2)
    await assert.rejects(lanes.all([row('b')], true))
    assert.equal(woken, 2)
    store.failAfter('insert', new BackendError('insert', 'reset'))
    await assert.rejects(lanes.all([row('c')], false), isUnknownOutcomeError)
    assert.equal(woken, 3)
    assert.equal((await memory.count('q')).pending, 3)
  })
})
