import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import { isEncodeError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import { turn } from '../../src/time/clock.ts'
import { Lab } from './lab.ts'

const optionError = (option: string) => (error: unknown) =>
  error instanceof OptionError && error.option === option

describe('Queue.push', () => {
  it('stores a task with the defaults of its queue and gives back its id', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<{ n: number }>('q')
    const id = await queue.push({ n: 1 })
    assert.match(id, /^[0-9A-Z]{26}$/)
    const { createdAt: _createdAt, ...row } = await lab.row('q', id)
    assert.deepEqual(row, {
      id,
      args: '{"n":1}',
      priority: 0,
      attempt: 0,
      attempts: 5,
      runAt: lab.clock.now(),
      epoch: 0,
      rescues: 0,
      releases: 0,
      errors: [],
      status: 'pending',
    })
  })

  it('takes its options over those of the queue', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q', { attempts: 2, priority: 7, timeout: '1m' })
    const own = await queue.push(1, {
      id: 'mine',
      attempts: 3,
      timeout: '30s',
      priority: -1,
      delay: '10m',
      metadata: { a: 1 },
      unique: { key: 'k', for: '1h' },
    })
    assert.equal(own, 'mine')
    const row = await lab.row('q', 'mine')
    assert.equal(row.attempts, 3)
    assert.equal(row.timeoutMs, 30_000)
    assert.equal(row.priority, -1)
    assert.equal(row.runAt, lab.clock.now() + 600_000)
    assert.deepEqual(row.metadata, { a: 1 })
    assert.equal(row.uniqueKey, 'k')
    const other = await lab.row('q', await queue.push(2))
    assert.equal(other.attempts, 2)
    assert.equal(other.timeoutMs, 60_000)
    assert.equal(other.priority, 7)
    const at = new Date(lab.clock.now() + 5)
    assert.equal((await lab.row('q', await queue.push(3, { runAt: at }))).runAt, at.getTime())
  })

  it('encodes at once: what happens to arguments and metadata afterwards does not matter', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<{ n: number }>('q')
    const args = { n: 1 }
    const metadata = { tenant: { name: 'a' } }
    const pushed = queue.push(args, { id: 'x', metadata })
    args.n = 2
    metadata.tenant.name = 'b'
    await pushed
    const row = await lab.row('q', 'x')
    assert.equal(row.args, '{"n":1}')
    assert.deepEqual(row.metadata, { tenant: { name: 'a' } })
  })

  it('refuses what cannot be stored with the place of it, and stores nothing', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<unknown>('q')
    await assert.rejects(
      queue.push({ when: new Date() }),
      (error) => isEncodeError(error) && error.path === 'when',
    )
    await assert.rejects(queue.push(undefined), isEncodeError)
    assert.equal(lab.store.calls('insert').length, 0)
  })

  it('refuses arguments over the size limit, in bytes', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q', { maxSize: 12 })
    await queue.push('1234567890')
    await queue.push('€€€1')
    await assert.rejects(
      queue.push('12345678901'),
      (error) => isEncodeError(error) && /13 bytes are more than 12/.test(error.message),
    )
    await assert.rejects(queue.push('€€€12'), isEncodeError)
    assert.equal((await lab.rows('q')).length, 2)
    const usual = lab.storage.queue<string>('usual')
    await usual.push('x'.repeat(1_048_574))
    await assert.rejects(usual.push('x'.repeat(1_048_575)), isEncodeError)
  })

  it('takes the input of a schema, checks it, and stores it as it is', async () => {
    const lab = new Lab()
    const schema = z.object({ to: z.email(), copies: z.number().default(1) })
    const queue = lab.storage.queue('q', { args: json(schema) })
    const id = await queue.push({ to: 'ada@example.com' })
    assert.equal((await lab.row('q', id)).args, '{"to":"ada@example.com"}')
    await assert.rejects(queue.push({ to: 'nobody' }), (error) => {
      assert.ok(isEncodeError(error))
      return error.issues.length === 1 && error.issues[0]?.path === 'to'
    })
    assert.equal((await lab.rows('q')).length, 1)
  })

  it('takes a codec of the caller’s own, and trusts it with nothing', async () => {
    const lab = new Lab()
    const decode = (stored: string) => stored
    const push = (encode: (value: string) => unknown) =>
      lab.storage
        .queue('q', { args: { encode: encode as (value: string) => string, decode } })
        .push('x')
    await push((value) => `<${value}>`)
    assert.equal((await lab.rows('q'))[0]?.args, '<x>')
    await assert.rejects(
      push(() => Promise.resolve('x')),
      /the codec answered with no text/,
    )
    await assert.rejects(
      push(() => '\u0000'),
      /NUL/,
    )
    await assert.rejects(
      push(() => '\ud800'),
      /lone surrogate/,
    )
    const cause = new TypeError('no')
    await assert.rejects(
      push(() => {
        throw cause
      }),
      (error) => isEncodeError(error) && error.cause === cause,
    )
    assert.equal((await lab.rows('q')).length, 1)
  })

  it('rejects, never throws, for options that cannot be, and names them', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    for (const [option, value] of [
      ['id', ''],
      ['attempts', 0],
      ['timeout', 'soon'],
      ['delay', -1],
      ['priority', 40_000],
      ['onDuplicate', 'ignore'],
    ] as const) {
      const pushed = queue.push(1, { [option]: value })
      await assert.rejects(pushed, optionError(option))
    }
    await assert.rejects(queue.push(1, { dealy: 5 } as never), optionError('push.dealy'))
    assert.equal(lab.store.calls('insert').length, 0)
  })

  it('adds what enrich gives, once a push: storage below queue below caller', async () => {
    let runs = 0
    const lab = new Lab({
      enrich: () => {
        runs += 1
        return { a: 'storage', b: 'storage', c: 'storage' }
      },
    })
    const queue = lab.storage.queue<number>('q', { enrich: () => ({ b: 'queue', c: 'queue' }) })
    const id = await queue.push(1, { metadata: { c: 'caller' } })
    assert.deepEqual((await lab.row('q', id)).metadata, { a: 'storage', b: 'queue', c: 'caller' })
    await queue.pushBulk([2, 3, 4])
    await queue.pushStream([5, 6])
    assert.equal(runs, 3)
    for (const { metadata } of (await lab.rows('q')).slice(1)) {
      assert.deepEqual(metadata, { a: 'storage', b: 'queue', c: 'queue' })
    }
  })

  it('goes on without what a failing enrich would have added, and warns the process once', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    try {
      const lab = new Lab({ enrich: () => ({ tenant: 'a' }) })
      const enrich = () => {
        throw new Error('no active span')
      }
      const queue = lab.storage.queue<number>('q', { enrich })
      await queue.push(1)
      await queue.push(2, { metadata: { own: true } })
      const unstorable = lab.storage.queue<number>('r', { enrich: () => ({ n: 1n }) as never })
      await unstorable.push(3)
      await turn()
      assert.deepEqual(
        (await lab.rows('q')).map(({ metadata }) => metadata),
        [{ tenant: 'a' }, { tenant: 'a', own: true }],
      )
      assert.deepEqual(
        warnings.map(({ message }) => message),
        [
          'enrich failed for a push to queue "q", which went on without: no active span',
          'enrich failed for a push to queue "r", which went on without: enrich().n: expected what JSON keeps, not a BigInt, got 1n',
        ],
      )
    } finally {
      process.off('warning', onWarning)
    }
  })
})

describe('Queue.pushTask', () => {
  it('pushes what a builder made, its delay counted from the push', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q', { priority: 3 })
    const task = new TaskBuilder('my-task')
      .id('task-123')
      .attempts(3)
      .timeout('30s')
      .runInMinutes(10)
      .metadata('trace', 'abc')
      .unique('k')
      .build()
    await lab.clock.advance('1h')
    assert.equal(await queue.pushTask(task), 'task-123')
    const { args, attempts, timeoutMs, runAt, metadata, uniqueKey, priority } = await lab.row(
      'q',
      'task-123',
    )
    assert.deepEqual(
      { args, attempts, timeoutMs, metadata, uniqueKey, priority },
      {
        args: '"my-task"',
        attempts: 3,
        timeoutMs: 30_000,
        metadata: { trace: 'abc' },
        uniqueKey: 'k',
        priority: 3,
      },
    )
    assert.equal(runAt, lab.clock.now() + 600_000)
  })

  it('keeps the id of the built task, so that pushing it twice stores one', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q')
    const task = new TaskBuilder('x').build()
    assert.equal(await queue.pushTask(task), task.parts.taskId)
    assert.equal(await queue.pushTask(task), task.parts.taskId)
    assert.equal((await lab.rows('q')).length, 1)
  })

  it('refuses a stored task: what it was stored with is not what it was pushed with', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<string>('q')
    const stored = await queue.fetchById(await queue.push('x'))
    await assert.rejects(queue.pushTask(stored as never), OptionError)
  })
})

it('within refuses to push outside of any transaction', () => {
  const queue = new Lab().storage.queue<number>('q')
  // What a caller without types may do.
  const missing = undefined as never
  assert.throws(() => queue.within(missing), /within: expected a transaction/)
})

it('refuses holes, and what is no task, by their place', async () => {
  const queue = new Lab().storage.queue<number>('q')
  const holes: number[] = [1]
  holes[2] = 3
  await assert.rejects(queue.pushBulk(holes), /item 1/)
  await assert.rejects(queue.pushTask({} as never), OptionError)
  await assert.rejects(queue.pushAll([null as never]), OptionError)
  assert.deepEqual(await queue.listTasks(), [])
})

it('takes one text for one mistake, and not for many ids', async () => {
  const queue = new Lab().storage.queue<number>('q')
  assert.throws(() => queue.waitFor('01J'), OptionError)
  await assert.rejects(queue.checkStatus('01J'), OptionError)
})

it('refuses what is small in memory and has no end as text', async () => {
  const queue = new Lab().storage.queue<unknown>('q')
  let value: unknown = 'x'
  for (let level = 0; level < 40; level += 1) value = [value, value]
  await assert.rejects(queue.push(value), /more than 1000000 objects/)
})
