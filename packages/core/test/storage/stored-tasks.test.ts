import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import {
  isDecodeError,
  isDuplicateTaskError,
  isEncodeError,
  TaskStateError,
} from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { Lab } from './lab.ts'

const stateError = (status: string) => (error: unknown) =>
  error instanceof TaskStateError && error.status === status

describe('Queue.fetchById', () => {
  it('gives the task with all that is kept beside it', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q', { priority: 2, timeout: '1m' })
    const id = await queue.push(1, { unique: 'k', metadata: { a: 1 }, delay: '5s' })
    const pending = await queue.fetchById(id)
    assert.ok(pending)
    const { args, parts } = pending
    assert.equal(args, 1)
    assert.equal(parts.taskId, id)
    assert.deepEqual(parts.attempt, { current: 0, max: 5 })
    assert.equal(parts.status, 'pending')
    assert.deepEqual(parts.metadata, { a: 1 })
    assert.equal(parts.timeoutMs, 60_000)
    const pushedAt = lab.clock.now()
    assert.deepEqual(parts.runAt, new Date(pushedAt + 5_000))
    const { queue: name, priority, epoch, rescues, releases, createdAt } = parts.context
    assert.deepEqual(
      { name, priority, epoch, rescues, releases, createdAt },
      { name: 'q', priority: 2, epoch: 0, rescues: 0, releases: 0, createdAt: new Date(pushedAt) },
    )
    const { lockedBy, lockedAt, finishedAt, uniqueKey, errors } = parts.context
    assert.deepEqual(
      { lockedBy, lockedAt, finishedAt, uniqueKey, errors },
      {
        lockedBy: undefined,
        lockedAt: undefined,
        finishedAt: undefined,
        uniqueKey: 'k',
        errors: [],
      },
    )
  })

  it('says who holds it, how it failed and when it ended', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    const began = lab.clock.now()
    const rows = await lab.claim('q')
    const running = await queue.fetchById(id)
    assert.equal(running?.parts.status, 'running')
    assert.deepEqual(running.parts.attempt, { current: 1, max: 5 })
    assert.equal(running.parts.context.lockedBy, 'w')
    assert.deepEqual(running.parts.context.lockedAt, new Date(began))
    assert.equal(running.parts.context.epoch, 1)
    await lab.clock.advance(10)
    const error = {
      name: 'TypeError',
      message: 'no',
      code: 'E',
      stack: 'at',
      cause: { name: 'A', message: 'b' },
    }
    await lab.settle('q', rows, { type: 'killed', error })
    const killed = await queue.fetchById(id)
    assert.equal(killed?.parts.context.lockedBy, undefined)
    const at = new Date(lab.clock.now())
    assert.deepEqual(killed?.parts.context.finishedAt, at)
    assert.deepEqual(killed?.parts.context.errors, [{ ...error, at, attempt: 1 }])
  })

  it('gives undefined for an id that is not there, and throws for one that cannot be', async () => {
    const queue = new Lab().storage.queue<number>('q')
    assert.equal(await queue.fetchById('nobody'), undefined)
    await assert.rejects(queue.fetchById(''), OptionError)
  })

  it('gives the schema’s output, and throws a DecodeError that names the task', async () => {
    const lab = new Lab()
    const args = json(z.object({ n: z.number(), copies: z.number().default(1) }))
    const queue = lab.storage.queue('q', { args })
    const id = await queue.push({ n: 1 })
    assert.deepEqual((await queue.fetchById(id))?.args, { n: 1, copies: 1 })
    await lab.memory.update('q', id, { args: '{"n":"one"}' })
    await assert.rejects(queue.fetchById(id), (error) => {
      assert.ok(isDecodeError(error))
      assert.match(error.message, new RegExp(`arguments of task ${id}`))
      return error.issues[0]?.path === 'n'
    })
  })
})

describe('Queue.listTasks', () => {
  it('pages in order of insertion, ten at a time, and filters', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await queue.pushBulk(Array.from({ length: 25 }, (_, n) => n))
    const args = async (options?: Parameters<typeof queue.listTasks>[0]) =>
      (await queue.listTasks(options)).map((task) => 'args' in task && task.args)
    assert.deepEqual(await args(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.deepEqual(await args({ page: 3 }), [20, 21, 22, 23, 24])
    assert.deepEqual(await args({ page: 2, pageSize: 2 }), [2, 3])
    assert.deepEqual(await args({ page: 100 }), [])
    await lab.claim('q', { limit: 3 })
    assert.deepEqual(await args({ status: 'running' }), [0, 1, 2])
    assert.deepEqual(await args({ status: 'pending', pageSize: 1 }), [3])
    assert.deepEqual(await args({ status: 'queued' }), [])
  })

  it('shows a task that cannot be decoded among the others, with its error', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const [, bad = ''] = await queue.pushBulk([1, 2, 3])
    await lab.memory.update('q', bad, { args: 'not json' })
    const [first, second, third] = await queue.listTasks()
    assert.ok(first && 'args' in first && third && 'args' in third)
    assert.ok(second && 'error' in second)
    assert.equal(second.parts.taskId, bad)
    assert.ok(isDecodeError(second.error))
  })

  it('refuses pages that cannot be', async () => {
    const queue = new Lab().storage.queue<number>('q')
    for (const options of [
      { page: 0 },
      { pageSize: 0 },
      { pageSize: 1_001 },
      { status: 'lost' },
      { pag: 1 },
    ]) {
      await assert.rejects(queue.listTasks(options as never), OptionError)
    }
  })
})

describe('Queue.update', () => {
  it('changes what is given and leaves the rest', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<{ n: number }>('q')
    const id = await queue.push({ n: 1 }, { metadata: { a: 1 } })
    assert.equal(await queue.update(id, { args: { n: 2 } }), true)
    assert.equal(await queue.update(id, { priority: 3 }), true)
    assert.equal(await queue.update(id, { metadata: { b: 2 } }), true)
    assert.equal(await queue.update(id, { delay: '1m' }), true)
    const row = await lab.row('q', id)
    assert.equal(row.args, '{"n":2}')
    assert.equal(row.priority, 3)
    assert.deepEqual(row.metadata, { b: 2 })
    assert.equal(row.runAt, lab.clock.now() + 60_000)
    const runAt = new Date(lab.clock.now() + 5)
    await queue.update(id, { runAt })
    assert.equal((await lab.row('q', id)).runAt, runAt.getTime())
  })

  it('changes nothing that is running, finished or unknown', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    const rows = await lab.claim('q')
    assert.equal(await queue.update(id, { args: 2 }), false)
    await lab.settle('q', rows, { type: 'done' })
    assert.equal(await queue.update(id, { args: 2 }), false)
    assert.equal(await queue.update('nobody', { args: 2 }), false)
    assert.equal((await lab.row('q', id)).args, '1')
  })

  it('refuses what a push would refuse', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<unknown>('q', { maxSize: 10 })
    const id = await queue.push(1)
    await assert.rejects(queue.update(id, { args: new Date() }), isEncodeError)
    await assert.rejects(queue.update(id, { args: 'much too long' }), isEncodeError)
    for (const changes of [
      { priority: 1.5 },
      { delay: -1 },
      { delay: 1, runAt: new Date() },
      { metadata: [] },
      { id: 'other' },
      { attempts: 3 },
    ]) {
      await assert.rejects(queue.update(id, changes as never), OptionError)
    }
    assert.equal(lab.store.calls('update').length, 0)
  })
})

describe('Queue.reschedule', () => {
  it('moves a task by a duration or to an instant', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1, { delay: '1h' })
    assert.equal(await queue.reschedule(id, '5m'), true)
    assert.equal((await lab.row('q', id)).runAt, lab.clock.now() + 300_000)
    const at = new Date(lab.clock.now() + 7)
    assert.equal(await queue.reschedule(id, at), true)
    assert.equal((await lab.row('q', id)).runAt, at.getTime())
    assert.equal(await queue.reschedule('nobody', 0), false)
    await assert.rejects(queue.reschedule(id, 'later' as never), OptionError)
    await assert.rejects(queue.reschedule(id, new Date(Number.NaN)), OptionError)
  })
})

describe('Queue.kill', () => {
  it('kills in any unfinished status, with a reason', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const [pending = '', running = '', unreasoned = ''] = await queue.pushBulk([1, 2, 3])
    assert.equal(await queue.kill(pending, 'not needed'), true)
    await lab.claim('q', { limit: 1 })
    assert.equal(await queue.kill(running, new RangeError('too much')), true)
    assert.equal(await queue.kill(unreasoned), true)
    const errors = (await lab.rows('q')).map(({ status, errors: [error] }) => [
      status,
      error?.name,
      error?.code,
      error?.message,
    ])
    assert.deepEqual(errors, [
      ['killed', 'TaskKilledError', 'ERR_TASK_KILLED', 'not needed'],
      ['killed', 'RangeError', undefined, 'too much'],
      ['killed', 'TaskKilledError', 'ERR_TASK_KILLED', `task ${unreasoned} was killed`],
    ])
    assert.equal(await queue.kill(pending), false)
    assert.equal(await queue.kill('nobody'), false)
  })

  it('keeps a reason that no storage could keep as it is', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    await queue.kill(id, `a\u0000b\ud800${'x'.repeat(100_000)}`)
    const message = (await lab.row('q', id)).errors[0]?.message ?? ''
    assert.ok(message.isWellFormed() && !message.includes('\u0000'))
    assert.ok(Buffer.byteLength(message) <= 8_192)
  })

  it('releases the unique key', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1, { unique: 'k' })
    await queue.kill(id)
    assert.notEqual(await queue.push(2, { unique: 'k' }), id)
  })
})

describe('Queue.retry', () => {
  it('gives a killed task another life, with its attempts anew or not', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    await lab.murder('q', new Error('once'))
    assert.equal(await queue.retry(id), true)
    const anew = await lab.row('q', id)
    assert.deepEqual([anew.status, anew.attempt, anew.errors.length], ['pending', 0, 1])
    await lab.murder('q', new Error('twice'))
    assert.equal(await queue.retry(id, { resetAttempts: false }), true)
    assert.equal((await lab.row('q', id)).attempt, 1)
  })

  it('refuses one that is not killed, and does not know what is not there', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    await assert.rejects(queue.retry(id), stateError('pending'))
    await lab.finish('q')
    await assert.rejects(queue.retry(id), stateError('done'))
    assert.equal(await queue.retry('nobody'), false)
    await assert.rejects(queue.retry(id, { resetAttempts: 1 as never }), OptionError)
    await assert.rejects(queue.retry(id, { reset: true } as never), OptionError)
  })

  it('refuses one whose unique key another task holds by now, naming that task', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1, { unique: 'k' })
    await queue.kill(id)
    const holder = await queue.push(2, { unique: 'k' })
    await assert.rejects(
      queue.retry(id),
      (error) => isDuplicateTaskError(error) && error.existing === holder,
    )
    await queue.remove(holder)
    assert.equal(await queue.retry(id), true)
    assert.equal(await queue.push(3, { unique: 'k' }), id)
  })
})

describe('Queue.remove', () => {
  it('forgets what is not running, and its unique key', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1, { unique: 'k' })
    assert.equal(await queue.remove(id), true)
    assert.equal(await queue.remove(id), false)
    assert.equal(await queue.fetchById(id), undefined)
    const other = await queue.push(2, { unique: 'k' })
    assert.notEqual(other, id)
    await lab.claim('q')
    await assert.rejects(queue.remove(other), stateError('running'))
  })

  it('does not release a key that the task no longer holds', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const first = await queue.push(1, { unique: 'k' })
    await lab.finish('q')
    const second = await queue.push(2, { unique: 'k' })
    await queue.remove(first)
    assert.equal(await queue.push(3, { unique: 'k' }), second)
  })
})

describe('Queue.resumeById', () => {
  it('takes a running task from whoever holds it, the attempt given back', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const id = await queue.push(1)
    const rows = await lab.claim('q')
    assert.equal(await queue.resumeById(id), true)
    const row = await lab.row('q', id)
    assert.deepEqual([row.status, row.attempt, row.rescues], ['pending', 0, 0])
    await lab.settle('q', rows, { type: 'done' })
    assert.equal((await lab.row('q', id)).status, 'pending')
    assert.equal(await queue.resumeById(id), false)
    assert.equal(await queue.resumeById('nobody'), false)
  })
})
