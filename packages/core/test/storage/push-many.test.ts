import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BackendError,
  isBackendError,
  isDuplicateTaskError,
  isEncodeError,
  isUnknownOutcomeError,
} from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import type { Inserted, InsertOptions, NewRow, TaskStore } from '../../src/storage/task-store.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import { turn } from '../../src/time/clock.ts'
import { Lab } from './lab.ts'

const sizes = (lab: Lab) => lab.store.calls('insert').map(([, rows]) => rows.length)
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

describe('Queue.pushBulk', () => {
  it('stores all in order with one call, and gives back their ids in order', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const ids = await queue.pushBulk(upTo(2_500), { priority: 2 })
    assert.deepEqual(sizes(lab), [2_500])
    const rows = await lab.rows('q')
    assert.deepEqual(
      rows.map(({ id }) => id),
      ids,
    )
    assert.deepEqual(await lab.args('q'), upTo(2_500))
    assert.ok(rows.every(({ priority }) => priority === 2))
  })

  it('asks nobody for nothing', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    assert.deepEqual(await queue.pushBulk([]), [])
    assert.deepEqual(await queue.pushAll([]), [])
    assert.equal(await queue.pushStream([]), 0)
    assert.deepEqual(sizes(lab), [])
  })

  it('stores nothing for one bad item, and names it', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<unknown>('q')
    await assert.rejects(queue.pushBulk([1, 2, { to: [new Map()] }]), (error) => {
      assert.ok(isEncodeError(error))
      assert.equal(error.path, '[2].to[0]')
      assert.match(error.message, /^item 2: cannot encode to\[0\]/)
      return true
    })
    await assert.rejects(
      queue.pushBulk([1, Number.NaN]),
      (error) => isEncodeError(error) && error.path === '[1]',
    )
    assert.deepEqual(sizes(lab), [])
  })

  it('takes an id for each, and no one id for all', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    assert.deepEqual(await queue.pushBulk([1, 2], { ids: ['a', 'b'] }), ['a', 'b'])
    await assert.rejects(queue.pushBulk([1, 2], { ids: ['a'] }), OptionError)
    await assert.rejects(queue.pushBulk([1, 2], { ids: ['a', ''] }), OptionError)
    await assert.rejects(queue.pushBulk([1, 2], { id: 'a' } as never), OptionError)
    await assert.rejects(queue.pushBulk('12' as never), OptionError)
  })

  it('stores one task for a key that is held meanwhile, or given twice', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const tasks = [1, 2, 3].map((n) => new TaskBuilder(n).unique('k').build())
    const ids = await queue.pushAll([...tasks, new TaskBuilder(4).build()])
    assert.equal(new Set(ids).size, 2)
    assert.deepEqual(await lab.args('q'), [1, 4])
    assert.deepEqual(await queue.pushBulk([5, 6], { unique: 'k' }), [ids[0], ids[0]])
    await assert.rejects(
      queue.pushAll([
        new TaskBuilder(7).build(),
        new TaskBuilder(8).unique('k').onDuplicate('throw').build(),
      ]),
      (error) => isDuplicateTaskError(error) && error.existing === ids[0],
    )
    assert.deepEqual(await lab.args('q'), [1, 4])
  })
})

describe('Queue.pushAll', () => {
  it('stores each task as it was built, and names a bad one', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<unknown>('q')
    const tasks = [3, 1, 2].map((n) => new TaskBuilder(n).id(`task-${n}`).priority(n).build())
    assert.deepEqual(await queue.pushAll(tasks), ['task-3', 'task-1', 'task-2'])
    assert.deepEqual(
      (await lab.rows('q')).map(({ priority }) => priority),
      [3, 1, 2],
    )
    await assert.rejects(
      queue.pushAll([new TaskBuilder(1).build(), new TaskBuilder({ n: 1n }).build()]),
      (error) => isEncodeError(error) && error.path === '[1].n',
    )
    assert.equal((await lab.rows('q')).length, 3)
  })
})

describe('Queue.pushStream', () => {
  it('stores what an iterable yields in batches of a thousand, and says how many', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    assert.equal(await queue.pushStream(new Set(upTo(2_500)), { attempts: 2 }), 2_500)
    assert.deepEqual(sizes(lab), [1_000, 1_000, 500])
    assert.deepEqual(await lab.args('q'), upTo(2_500))
    assert.equal((await lab.rows('q'))[2_499]?.attempts, 2)
  })

  it('does the same for what an asynchronous source yields without pause', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    async function* source() {
      yield* upTo(2_500)
    }
    assert.equal(await queue.pushStream(source()), 2_500)
    assert.deepEqual(sizes(lab), [1_000, 1_000, 500])
    assert.deepEqual(await lab.args('q'), upTo(2_500))
  })

  it('holds nothing back while the source pauses', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const more = Promise.withResolvers<void>()
    async function* source() {
      yield* [1, 2, 3]
      await more.promise
      yield 4
    }
    const pushed = queue.pushStream(source())
    await lab.clock.settle()
    assert.deepEqual(await lab.args('q'), [1, 2, 3])
    more.resolve()
    assert.equal(await pushed, 4)
    assert.deepEqual(sizes(lab), [3, 1])
  })

  it('gathers what comes while a batch is on its way, and asks for no more than the next batch', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    let given = 0
    async function* source() {
      yield (given += 1)
      await turn()
      await turn()
      while (given < 5_000) yield (given += 1)
    }
    const held = lab.store.holdBefore('insert')
    const pushed = queue.pushStream(source())
    await held.reached
    await lab.clock.settle()
    assert.deepEqual(sizes(lab), [1])
    assert.equal(given, 1_001)
    held.release()
    assert.equal(await pushed, 5_000)
    assert.deepEqual(sizes(lab), [1, 1_000, 1_000, 1_000, 1_000, 999])
    assert.deepEqual(
      await lab.args('q'),
      upTo(5_000).map((n) => n + 1),
    )
  })

  it('keeps batches of much text small', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q')
    await queue.pushStream(upTo(20).map(() => 'x'.repeat(1_000_000)))
    assert.deepEqual(sizes(lab), [9, 9, 2])
  })

  it('keeps earlier batches when an item is bad, names it, and ends the source', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<unknown>('q')
    let ended = 0
    function* source() {
      try {
        yield* upTo(1_500)
        yield { bad: 1n }
        yield 'never asked for'
      } finally {
        ended += 1
      }
    }
    const names = (error: unknown) => isEncodeError(error) && error.path === '[1500].bad'
    await assert.rejects(queue.pushStream(source()), names)
    async function* later() {
      yield* source()
    }
    await assert.rejects(queue.pushStream(later()), names)
    assert.equal(ended, 2)
    assert.equal((await lab.rows('q')).length, 2_000)
  })

  it('carries the ids of the batch of which nobody knows, with which that can be stored as a bulk', async () => {
    for (const fault of ['failAfter', 'failBefore'] as const) {
      const lab = new Lab()
      const queue = lab.storage.queue<number>('q')
      const numbers = upTo(2_500)
      lab.store[fault]('insert', new Error('connection reset'), { skip: 1 })
      let unknown: readonly string[] = []
      await assert.rejects(queue.pushStream(numbers), (error) => {
        assert.ok(isUnknownOutcomeError(error))
        unknown = error.ids
        return true
      })
      assert.equal((await lab.rows('q')).length, fault === 'failAfter' ? 2_000 : 1_000)
      const batch = numbers.slice(1_000, 2_000)
      assert.deepEqual(await queue.pushBulk(batch, { ids: unknown }), unknown)
      assert.deepEqual(await lab.args('q'), numbers.slice(0, 2_000))
    }
  })

  it('passes on what the source throws, after what is on its way has ended', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const held = lab.store.holdBefore('insert')
    const broken = new Error('broken pipe')
    async function* source() {
      yield 1
      await held.reached
      throw broken
    }
    let settled = false
    const pushed = assert
      .rejects(queue.pushStream(source()), (error) => error === broken)
      .then(() => (settled = true))
    await held.reached
    await lab.clock.settle()
    assert.equal(settled, false)
    held.release()
    await pushed
    assert.deepEqual(await lab.args('q'), [1])
  })

  it('ends at once when a batch cannot be stored, though the source never goes on', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const down = new BackendError('insert', 'disk full', { transient: false, applied: 'no' })
    lab.store.failBefore('insert', down)
    async function* source() {
      yield 1
      await new Promise(() => undefined)
    }
    await assert.rejects(queue.pushStream(source()), (error) => error === down)
  })

  it('leaves turns of the event loop to others, though nothing ever waits', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    let turns = 0
    let on = true
    const count = async () => {
      while (on) {
        await turn()
        turns += 1
      }
    }
    const counting = count()
    await queue.pushStream(upTo(10_000))
    on = false
    await counting
    assert.ok(turns >= 10, `${turns} turns`)
  })

  it('refuses what is no source', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await assert.rejects(queue.pushStream(5 as never), OptionError)
    await assert.rejects(queue.pushStream(undefined as never), OptionError)
    await assert.rejects(queue.pushStream([1], { id: 'a' } as never), OptionError)
  })
})

/** A store with transactions: what they store is seen when they are committed. */
class Transactions {
  readonly memory = new MemoryStore()
  readonly asked: { readonly rows: number; readonly options: InsertOptions<string> }[] = []
  failure: unknown

  async insert(
    queue: string,
    rows: readonly NewRow[],
    options: InsertOptions<string> = {},
  ): Promise<readonly Inserted[]> {
    this.asked.push({ rows: rows.length, options })
    if (this.failure !== undefined) throw this.failure
    return this.memory.insert(
      queue,
      rows,
      options.refuseExisting === true ? { refuseExisting: true } : {},
    )
  }

  /** The rest is the memory store's. */
  store(): TaskStore<string> {
    const { memory } = this
    return new Proxy(memory, {
      get: (_target, name) =>
        name === 'insert'
          ? (...args: Parameters<TaskStore<string>['insert']>) => this.insert(...args)
          : (memory as never as Record<PropertyKey, (...args: unknown[]) => unknown>)[name]?.bind(
              memory,
            ),
    })
  }
}

describe('Queue.within', () => {
  it('asks the store before a push gives back its promise, each push by itself', async () => {
    const transactions = new Transactions()
    const queue = new Storage(transactions.store()).queue<number>('q')
    const within = queue.within('tx')
    const pushed = [
      within.push(1),
      within.pushBulk([2, 3]),
      within.push(4, { onDuplicate: 'throw' }),
    ]
    assert.deepEqual(transactions.asked, [
      { rows: 1, options: { within: 'tx' } },
      { rows: 2, options: { within: 'tx' } },
      { rows: 1, options: { within: 'tx', refuseExisting: true } },
    ])
    await Promise.all(pushed)
    await within.pushTask(new TaskBuilder(5).build())
    await within.pushAll([new TaskBuilder(6).build()])
    assert.equal(await within.pushStream([7, 8]), 2)
    const rows = await transactions.memory.list('q', { offset: 0, limit: 10 })
    assert.deepEqual(
      rows.map(({ args }) => args),
      ['1', '2', '3', '4', '5', '6', '7', '8'],
    )
  })

  it('gives a failure as it is: the caller’s transaction decides over the outcome', async () => {
    const transactions = new Transactions()
    const queue = new Storage(transactions.store()).queue<number>('q')
    transactions.failure = new Error('current transaction is aborted')
    await assert.rejects(
      queue.within('tx').push(1),
      (error) => isBackendError(error) && error.cause === transactions.failure,
    )
    transactions.failure = undefined
    await queue.push(1, { id: 'x' })
    await assert.rejects(
      queue.within('tx').push(1, { id: 'x', onDuplicate: 'throw' }),
      isDuplicateTaskError,
    )
    assert.equal(await queue.within('tx').push(1, { id: 'x' }), 'x')
  })
})
