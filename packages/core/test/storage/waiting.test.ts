import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import {
  BackendError,
  isBackendError,
  isDecodeError,
  isTaskGoneError,
} from '../../src/errors/backend-errors.ts'
import {
  AbortError,
  isAbortError,
  isTaskKilledError,
  isTimeoutError,
} from '../../src/errors/task-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import type { TaskResult } from '../../src/storage/results.ts'
import { Lab } from './lab.ts'

interface Receipt {
  readonly n: number
}

function setting(options: ConstructorParameters<typeof Lab>[0] = {}) {
  const lab = new Lab(options)
  const queue = lab.storage.queue<number, Receipt>('q', { result: json<Receipt>() })
  const watched = () => lab.store.calls('watch').map(([, ids]) => ids.length)
  return { lab, queue, watched }
}

/** Nothing waits any more: no timer, no subscription. */
async function assertIdle({ clock, store }: Lab): Promise<void> {
  await clock.settle()
  assert.equal(clock.timers, 0)
  assert.equal(store.listeners, 0)
}

describe('Queue.result', () => {
  it('gives what a task that is done already gave back', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    await lab.finish('q', { n: 1 })
    assert.deepEqual(await queue.result(id), { n: 1 })
    await assertIdle(lab)
  })

  it('waits for the end, woken without any poll', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = queue.result(id)
    await lab.clock.settle()
    const reads = lab.store.calls('watch').length
    await lab.finish('q', { n: 2 })
    assert.deepEqual(await result, { n: 2 })
    assert.equal(lab.store.calls('watch').length, reads + 1)
    await assertIdle(lab)
  })

  it('misses no end between its subscription and its read', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const held = lab.store.holdAfter('watch')
    const result = queue.result(id)
    await held.reached
    // The read has seen the task pending.
    await lab.finish('q', { n: 3 })
    held.release()
    assert.deepEqual(await result, { n: 3 })
    await assertIdle(lab)
  })

  it('throws TaskKilledError with the last error as its cause', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = assert.rejects(queue.result(id), (error) => {
      assert.ok(isTaskKilledError(error))
      assert.equal(error.taskId, id)
      const { cause } = error
      assert.ok(cause instanceof Error)
      assert.ok(isAbortError(cause))
      assert.equal(cause.name, 'AbortError')
      assert.equal(cause.message, 'no such customer')
      assert.match(String(cause.stack), /waiting\.test/)
      assert.ok(cause.cause instanceof Error)
      assert.equal(cause.cause.name, 'TypeError')
      assert.deepEqual(Object.keys(cause), ['code'])
      return true
    })
    await lab.clock.settle()
    await lab.murder('q', new AbortError(new TypeError('no such customer')))
    await result
    await assertIdle(lab)
  })

  it('throws TaskKilledError for a task that was killed by hand, with the reason', async () => {
    const { queue } = setting()
    const id = await queue.push(1)
    const result = assert.rejects(
      queue.result(id),
      (error) => isTaskKilledError(error) && String(error.cause) === 'TaskKilledError: not needed',
    )
    await queue.kill(id, 'not needed')
    await result
  })

  it('throws TaskGoneError for a task that is removed, or never was', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = assert.rejects(queue.result(id), isTaskGoneError)
    await lab.clock.settle()
    await queue.remove(id)
    await result
    await assert.rejects(queue.result('nobody'), isTaskGoneError)
    await assertIdle(lab)
  })

  it('gives the result of a task that is purged by count meanwhile', async () => {
    const { lab, queue } = setting({ keepFinished: 1 })
    const id = await queue.push(1)
    const result = queue.result(id)
    await lab.clock.settle()
    const read = lab.store.holdBefore('watch')
    await lab.finish('q', { n: 1 })
    await read.reached
    await queue.pushBulk([2, 3, 4])
    await lab.finish('q', { n: 2 })
    read.release()
    assert.deepEqual(await result, { n: 1 })
  })

  it('ends with TimeoutError at its timeout, and the task goes on', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = assert.rejects(
      queue.result(id, { timeout: '10s' }),
      (error) => isTimeoutError(error) && error.timeoutMs === 10_000,
    )
    await lab.clock.advance('10s')
    await result
    await assertIdle(lab)
    assert.equal((await lab.row('q', id)).status, 'pending')
  })

  it('ends with the reason of its signal, before, during and not after the wait', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const reason = new Error('gone home')
    const isReason = (error: unknown) => error === reason
    await assert.rejects(queue.result(id, { signal: AbortSignal.abort(reason) }), isReason)
    assert.equal(lab.store.calls('watch').length, 0)
    const controller = new AbortController()
    const result = assert.rejects(queue.result(id, { signal: controller.signal }), isReason)
    await lab.clock.settle()
    controller.abort(reason)
    await result
    await assertIdle(lab)
    const other = new AbortController()
    const fine = queue.result(id, { signal: other.signal })
    await lab.finish('q', { n: 1 })
    await fine
    other.abort(reason)
    await assertIdle(lab)
  })

  it('gives undefined where nothing is kept', async () => {
    const { lab, queue } = setting()
    const without = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    await lab.finish('q', { n: 1 })
    assert.equal(await without.result(id), undefined)
    const nothing = await queue.push(2)
    await lab.finish('q')
    assert.equal(await queue.result(nothing), undefined)
  })

  it('throws DecodeError for a result that cannot be read', async () => {
    const { lab, queue } = setting()
    const strict = lab.storage.queue('q', {
      args: json<number>(),
      result: json(z.object({ n: z.number() })),
    })
    const id = await queue.push(1)
    await lab.finish('q', { n: 'one' })
    await assert.rejects(strict.result(id), (error) => {
      assert.ok(isDecodeError(error))
      assert.match(error.message, new RegExp(`the result of task ${id}`))
      return error.issues[0]?.path === 'n'
    })
    const [status] = await strict.checkStatus([id])
    assert.equal(status?.status, 'done')
    assert.ok(isDecodeError(status?.error))
  })

  it('refuses options and ids that cannot be', async () => {
    const { queue } = setting()
    await assert.rejects(queue.result('x', { timeout: 'soon' as never }), OptionError)
    await assert.rejects(queue.result('x', { timeOut: 5 } as never), OptionError)
    await assert.rejects(queue.result('x', { signal: {} as never }), OptionError)
    await assert.rejects(queue.result(''), OptionError)
    assert.throws(() => queue.waitFor(['']), OptionError)
  })
})

describe('a thousand waiters', () => {
  it('take one subscription, one timer and one read, and a read for those that end', async () => {
    const { lab, queue, watched } = setting()
    const ids = await queue.pushBulk(Array.from({ length: 1_000 }, (_, n) => n))
    const results = Promise.all(ids.map((id) => queue.result(id)))
    // The first read begins while the listener is not standing yet; then all are read once more.
    await lab.clock.settle()
    assert.deepEqual(watched(), [1_000, 1_000])
    assert.equal(lab.store.calls('listen').length, 1)
    assert.equal(lab.store.listeners, 1)
    assert.equal(lab.clock.timers, 1)
    const [row, ...others] = await lab.claim('q')
    if (row !== undefined) await lab.settle('q', [row], { type: 'done', result: '{"n":0}' })
    await lab.clock.settle()
    assert.deepEqual(watched().slice(2), [1])
    await lab.settle('q', others, { type: 'done', result: '{"n":1}' })
    assert.equal((await results).length, 1_000)
    assert.deepEqual(watched().slice(3), [999])
    assert.equal(lab.store.calls('listen').length, 1)
    await assertIdle(lab)
  })

  it('for one task take one read', async () => {
    const { lab, queue, watched } = setting()
    const id = await queue.push(1)
    const results = Promise.all(Array.from({ length: 1_000 }, () => queue.result(id)))
    await lab.clock.settle()
    assert.deepEqual(watched(), [1, 1])
    await lab.finish('q', { n: 1 })
    assert.equal((await results).length, 1_000)
    await assertIdle(lab)
  })
})

describe('waiting without signals', () => {
  it('polls every few seconds while the listener does not stand', async () => {
    const { lab, queue } = setting({ safetyPoll: '4s' })
    lab.store.failBefore('listen', new Error('no LISTEN here'), { times: 1_000 })
    const id = await queue.push(1)
    const result = queue.result(id)
    await lab.clock.settle()
    await lab.finish('q', { n: 1 })
    await lab.clock.advance(2_999)
    assert.equal(lab.store.calls('watch').length, 1)
    await lab.clock.advance(2_001)
    assert.equal(lab.store.calls('watch').length, 2)
    assert.deepEqual(await result, { n: 1 })
    await assertIdle(lab)
  })

  it('finds within a minute or so what a lost signal would have told', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = queue.result(id)
    await lab.clock.settle()
    lab.store.mute()
    await lab.finish('q', { n: 1 })
    const reads = lab.store.calls('watch').length
    await lab.clock.advance('40s')
    assert.equal(lab.store.calls('watch').length, reads)
    await lab.clock.advance('40s')
    assert.deepEqual(await result, { n: 1 })
    await assertIdle(lab)
  })

  it('reads again when the listener stands again', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const result = queue.result(id)
    await lab.clock.settle()
    lab.store.endListening()
    await lab.finish('q', { n: 1 })
    await lab.clock.advance(250)
    assert.deepEqual(await result, { n: 1 })
  })
})

describe('waiting for a storage that fails', () => {
  it('goes on, with growing waits', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    await lab.finish('q', { n: 1 })
    lab.store.failBefore('watch', new Error('down'), { times: 20 })
    const result = queue.result(id)
    await lab.clock.advance('10s')
    const reads = lab.store.calls('watch').length
    assert.ok(reads > 3 && reads < 15, `${reads} reads in 10 s`)
    await lab.clock.advance('20m')
    assert.deepEqual(await result, { n: 1 })
    await assertIdle(lab)
  })

  it('ends for a task that the storage refuses for good, and for no other', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const refused = new BackendError('watch', 'bad id', { transient: false })
    lab.store.failBefore('watch', refused, {
      when: (_queue, ids) => ids.includes('bad'),
      times: 99,
    })
    const bad = assert.rejects(queue.result('bad'), (error) => error === refused)
    const good = queue.result(id)
    await lab.clock.settle()
    await bad
    await lab.finish('q', { n: 1 })
    assert.deepEqual(await good, { n: 1 })
    await assertIdle(lab)
  })

  it('ends when the storage is closed', async () => {
    const { lab, queue } = setting()
    const id = await queue.push(1)
    const closed = (error: unknown) =>
      isBackendError(error) && /the storage is closed/.test(error.message)
    const result = assert.rejects(queue.result(id), closed)
    const seen = assert.rejects(async () => {
      for await (const one of queue.waitFor([id])) assert.fail(String(one.status))
    }, closed)
    await lab.clock.settle()
    await lab.storage.close()
    await Promise.all([result, seen])
    await assert.rejects(queue.result(id), closed)
    await assertIdle(lab)
  })
})

describe('Queue.waitFor', () => {
  const collect = async (results: AsyncIterable<TaskResult<Receipt>>) => {
    const all: [string, unknown][] = []
    for await (const { id, status } of results) all.push([id, status])
    return all
  }

  it('yields one result for each id in order of completion', async () => {
    const { lab, queue } = setting()
    await queue.pushBulk([1, 2, 3, 4], { ids: ['a', 'b', 'c', 'd'] })
    const rows = new Map((await lab.claim('q')).map((row) => [row.id, row]))
    const finish = (id: string) =>
      lab.settle(
        'q',
        [rows.get(id)].filter((row) => row !== undefined),
        { type: 'done' },
      )
    // Two of them before anybody waits.
    await finish('d')
    await lab.clock.advance(1)
    await finish('b')
    const all = collect(queue.waitFor(['a', 'b', 'c', 'd', 'a', 'nobody']))
    await lab.clock.settle()
    await lab.clock.advance(1)
    await queue.kill('c')
    await lab.clock.settle()
    await finish('a')
    assert.deepEqual(await all, [
      ['nobody', undefined],
      ['d', 'done'],
      ['b', 'done'],
      ['c', 'killed'],
      ['a', 'done'],
    ])
    await assertIdle(lab)
  })

  it('does nothing before it is asked, and leaves nothing behind when one breaks off', async () => {
    const { lab, queue } = setting()
    const ids = await queue.pushBulk([1, 2, 3])
    const results = queue.waitFor(ids)
    await assertIdle(lab)
    await lab.clock.settle()
    assert.equal(lab.store.calls('watch').length, 0)
    await lab.settle('q', (await lab.claim('q')).slice(0, 1), { type: 'done' })
    for await (const { id } of results) {
      assert.equal(id, ids[0])
      break
    }
    await assertIdle(lab)
  })

  it('tells what has ended before it gives up', async () => {
    const { lab, queue } = setting()
    const ids = await queue.pushBulk([1, 2])
    const seen: string[] = []
    const waited = assert.rejects(async () => {
      for await (const { id } of queue.waitFor(ids, { timeout: '5s' })) seen.push(id)
    }, isTimeoutError)
    await lab.clock.settle()
    await lab.settle('q', (await lab.claim('q')).slice(0, 1), { type: 'done' })
    await lab.clock.advance('5s')
    await waited
    assert.deepEqual(seen, ids.slice(0, 1))
    await assertIdle(lab)
  })

  it('ends with the reason of its signal', async () => {
    const { lab, queue } = setting()
    const ids = await queue.pushBulk([1, 2])
    const controller = new AbortController()
    const { signal } = controller
    const waited = assert.rejects(collect(queue.waitFor(ids, { signal })), { message: 'enough' })
    await lab.clock.settle()
    controller.abort(new Error('enough'))
    await waited
    await assert.rejects(collect(queue.waitFor(ids, { signal })), { message: 'enough' })
    await assertIdle(lab)
  })

  it('ends at once for no ids', async () => {
    const { lab, queue } = setting()
    assert.deepEqual(await collect(queue.waitFor([])), [])
    await assertIdle(lab)
  })
})

describe('Queue.checkStatus', () => {
  it('says what has become of each, in order, also of those that are not stored', async () => {
    const { lab, queue } = setting()
    await queue.pushBulk([1, 2, 3], { ids: ['done', 'failed', 'killed'] })
    const [done, failed] = await lab.claim('q')
    if (done === undefined || failed === undefined) assert.fail()
    await lab.settle('q', [done], { type: 'done', result: '{"n":1}' })
    const error = { name: 'RangeError', message: 'too far' }
    await lab.settle('q', [failed], { type: 'failed', error, retryInMs: 1_000 })
    await queue.kill('killed', new TypeError('wrong'))
    await queue.push(4, { id: 'pending' })
    await lab.claim('q')
    await queue.push(5, { id: 'waiting' })
    const ids = ['nobody', 'done', 'failed', 'killed', 'pending', 'waiting', 'done']
    const all = await queue.checkStatus(ids)
    assert.deepEqual(
      all.map(({ id, status, result, error: why }) => [id, status, result, why && String(why)]),
      [
        ['nobody', undefined, undefined, undefined],
        ['done', 'done', { n: 1 }, undefined],
        ['failed', 'failed', undefined, 'RangeError: too far'],
        ['killed', 'killed', undefined, 'TypeError: wrong'],
        ['pending', 'running', undefined, undefined],
        ['waiting', 'pending', undefined, undefined],
        ['done', 'done', { n: 1 }, undefined],
      ],
    )
    assert.deepEqual(await queue.checkStatus([]), [])
  })

  it('asks in batches', async () => {
    const { lab, queue } = setting()
    const ids = await queue.pushBulk(Array.from({ length: 2_001 }, (_, n) => n))
    assert.equal((await queue.checkStatus(ids)).length, 2_001)
    assert.deepEqual(
      lab.store.calls('get').map(([, asked]) => asked.length),
      [1_000, 1_000, 1],
    )
  })
})
