import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, longRunning, sleep } from '@apalis/core'
import { Lab } from './lab.ts'

test('a task with work that goes on stays running in the database, and is done with its results', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<readonly number[]>({ result: json<unknown>() })
  const id = await queue.push([3, 1, 2])
  lab.run(queue, (worker) =>
    worker.provide(longRunning()).build(async (minutes, { data: { runner } }) => {
      const channel = runner.channel<number>()
      for (const n of minutes) {
        channel.execute(async (signal) => {
          await sleep(lab.clock, n * 60_000, { signal })
          return n
        })
      }
      const order: number[] = []
      for await (const outcome of channel) if (outcome.ok) order.push(outcome.result)
      return order
    }),
  )
  await lab.clock.advance('2m')
  assert.equal(lab.tasks()[0]?.status, 'running')
  await lab.clock.advance('1m')
  assert.deepEqual(lab.tasks(), [{ status: 'done', attempt: 1, releases: 0 }])
  assert.deepEqual(await queue.result(id), [1, 2, 3])
})

test('work that fails, or takes too long, fails the attempt although the handler had returned', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>()
  await queue.pushBulk(['fails', 'hangs', 'throws'])
  const ended: string[] = []
  lab.run(queue, (worker) =>
    worker.provide(longRunning({ maxDuration: '1m' })).build((args, { data: { runner } }) => {
      runner.execute(async (signal) => {
        if (args === 'fails') throw new Error('work')
        await sleep(lab.clock, 3_600_000, { signal })
        ended.push(args)
        throw signal.reason
      })
      if (args === 'throws') throw new Error('handler')
    }),
  )
  await lab.clock.settle()
  const failed = { status: 'failed', attempt: 1, releases: 0, dueIn: 1_000 }
  assert.deepEqual(lab.tasks(), [
    { ...failed, failures: ['work'] },
    { status: 'running', attempt: 1, releases: 0 },
    { ...failed, failures: ['handler'] },
  ])
  assert.deepEqual(ended, ['throws'])
  await lab.clock.advance('1m')
  const [, hangs] = lab.tasks()
  assert.equal(hangs?.status, 'failed')
  assert.match(hangs.failures?.[0] ?? '', /^work of task .* took longer than 60000 ms$/)
})

test('a worker that has to stop at once gives the task back, with its attempt', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>()
  await queue.push('long')
  const worker = lab.run(queue, (builder) =>
    builder.provide(longRunning()).build((_, { data: { runner } }) => {
      runner.execute(async (signal) => {
        await sleep(lab.clock, 3_600_000, { signal })
        throw signal.reason
      })
    }),
  )
  await lab.clock.advance('1m')
  assert.equal(lab.tasks()[0]?.status, 'running')
  worker.abort()
  await lab.clock.settle()
  assert.deepEqual(lab.tasks(), [{ status: 'pending', attempt: 0, releases: 0, dueIn: 0 }])
})
