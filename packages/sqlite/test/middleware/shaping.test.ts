import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortError,
  concurrency,
  filter,
  json,
  mapError,
  mapRequest,
  optional,
  RetryAfterError,
  tap,
  turn,
} from '@apalis/core'
import { Lab } from './lab.ts'

const ended = (status: string) => ({ status, attempt: 1, releases: 0 })

describe('filter', () => {
  test('passes, releases, kills and changes; what throws or answers nonsense fails: nothing stays running', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>()
    const ran: string[] = []
    await queue.pushBulk([
      'passes',
      'changes',
      'releases',
      'kills',
      'throws',
      'rejects',
      'nonsense',
    ])
    lab.run(queue, (worker) =>
      worker
        .layer(
          filter(async ({ task: { args } }) => {
            await turn()
            if (args === 'changes') return { args: 'changed' }
            if (args === 'releases') return { release: '5m', reason: 'not its turn' }
            if (args === 'kills') return { kill: 'unwanted' }
            if (args === 'rejects') throw new Error('rejected')
            return true
          }),
        )
        .layer(
          // @ts-expect-error 'perhaps' is no verdict
          filter(({ task: { args } }) => {
            if (args === 'throws') throw new Error('thrown')
            return args === 'nonsense' ? 'perhaps' : true
          }),
        )
        .build((args) => ran.push(args)),
    )
    await lab.clock.settle()
    assert.deepEqual(ran, ['passes', 'changed'])
    const failed = (message: string) => ({ ...ended('failed'), dueIn: 1_000, failures: [message] })
    assert.deepEqual(lab.tasks(), [
      ended('done'),
      ended('done'),
      {
        status: 'pending',
        attempt: 0,
        releases: 1,
        dueIn: 300_000,
        failures: ['not its turn'],
      },
      { ...ended('killed'), failures: ['unwanted'] },
      failed('thrown'),
      failed('rejected'),
      failed('filter answered with "perhaps", which is no verdict'),
    ])
    // A changed task keeps its arguments in the database.
    assert.deepEqual(
      (await queue.listTasks({ status: 'done' })).map((task) => 'args' in task && task.args),
      ['passes', 'changes'],
    )
  })

  test('what it releases again and again fails in the end', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>({ maxReleases: 2, attempts: 2 })
    await queue.push('unwanted')
    lab.run(queue, (worker) => worker.layer(filter(() => ({ release: '1m' }))).build(() => {}))
    await lab.clock.advance('2m')
    assert.deepEqual(lab.tasks()[0], {
      status: 'failed',
      attempt: 1,
      releases: 0,
      dueIn: 1_000,
      failures: ['filtered', 'filtered', 'filtered'],
    })
  })

  test('one that never answers ends with the task’s timeout', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>({ timeout: '30s' })
    await queue.push('waits')
    lab.run(queue, (worker) => worker.layer(filter(() => new Promise(() => {}))).build(() => {}))
    await lab.clock.advance('29s')
    assert.equal(lab.tasks()[0]?.status, 'running')
    await lab.clock.advance('1s')
    assert.deepEqual([lab.tasks()[0]?.status, lab.tasks()[0]?.attempt], ['failed', 1])
  })
})

describe('mappers', () => {
  test('mapRequest: the handler gets other arguments, and a throw fails the attempt', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>()
    const ran: string[] = []
    await queue.pushBulk([' good ', 'bad'])
    lab.run(queue, (worker) =>
      worker
        .layer(
          mapRequest(async (args) => {
            if (args === 'bad') throw new Error('not mapped')
            return args.trim()
          }),
        )
        .build((args) => ran.push(args)),
    )
    await lab.clock.settle()
    assert.deepEqual(ran, ['good'])
    assert.deepEqual(lab.tasks(), [
      ended('done'),
      { ...ended('failed'), dueIn: 1_000, failures: ['not mapped'] },
    ])
  })

  test('mapResult: what it makes is stored, and a throw fails the attempt', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>({ result: json<unknown>() })
    const [good] = await queue.pushBulk(['good', 'bad'])
    lab.run(queue, (worker) =>
      worker
        .mapResult((result: { readonly body: string }) => {
          if (result.body === 'bad') throw new Error('not mapped')
          return { length: result.body.length }
        })
        .build((args) => ({ body: args })),
    )
    await lab.clock.settle()
    assert.deepEqual(await queue.result(good ?? ''), { length: 4 })
    assert.deepEqual(lab.tasks(), [
      ended('done'),
      { ...ended('failed'), dueIn: 1_000, failures: ['not mapped'] },
    ])
  })

  test('mapError: what it makes of an error decides over the task', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>()
    await queue.pushBulk(['gone', 'busy', 'other', 'good'])
    lab.run(queue, (worker) =>
      worker
        .layer(
          mapError((error) => {
            const message = error instanceof Error ? error.message : ''
            if (message === 'gone') return new AbortError(error)
            if (message === 'busy') throw new RetryAfterError(error, '1h')
            return error
          }),
        )
        .build((args) => {
          if (args !== 'good') throw new Error(args)
        }),
    )
    await lab.clock.settle()
    assert.deepEqual(lab.tasks(), [
      { ...ended('killed'), failures: ['gone'] },
      { ...ended('failed'), dueIn: 3_600_000, failures: ['busy'] },
      { ...ended('failed'), dueIn: 1_000, failures: ['other'] },
      ended('done'),
    ])
  })
})

describe('tap and optional', () => {
  test('tap: a listener that throws makes no done task run again, and no failed one anything else', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>()
    await queue.pushBulk(['good', 'bad'])
    const fails = (): never => {
      throw new Error('listener')
    }
    lab.run(queue, (worker) =>
      worker.layer(tap({ request: fails, result: fails, error: fails })).build((args) => {
        if (args === 'bad') throw new Error('handler')
      }),
    )
    await lab.clock.settle()
    assert.deepEqual(lab.tasks(), [
      ended('done'),
      { ...ended('failed'), dueIn: 1_000, failures: ['handler'] },
    ])
    const told = lab.events.filter((event) => event.type === 'error' && 'operation' in event)
    assert.equal(told.length, 4)
  })

  test('optional: a limit that is there limits the claims, and one that is not does nothing', async () => {
    for (const [limit, running] of [
      [concurrency(2), 2],
      [undefined, 5],
    ] as const) {
      await using lab = new Lab()
      const queue = await lab.queue<number>()
      await queue.pushBulk([1, 2, 3, 4, 5])
      const end = Promise.withResolvers<void>()
      lab.run(queue, (worker) => worker.layer(optional(limit)).build(() => end.promise))
      await lab.clock.settle()
      assert.equal(lab.counts()['running'], running)
      end.resolve()
      await lab.clock.settle()
      assert.deepEqual(lab.counts(), { done: 5 })
    }
  })
})
