import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concurrency, loadShed, rateLimit, timeout } from '@apalis/core'
import { Lab } from './lab.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('concurrency', () => {
  test('claims what it can start; the rest stays pending, and what fails waits for its backoff', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<number>()
    await queue.pushBulk(numbers(5))
    const ends: PromiseWithResolvers<void>[] = []
    lab.run(queue, (worker) =>
      worker.layer(concurrency(2)).build(async () => {
        const end = Promise.withResolvers<void>()
        ends.push(end)
        await end.promise
      }),
    )
    await lab.clock.settle()
    assert.deepEqual(lab.counts(), { running: 2, pending: 3 })
    ends[0]?.resolve()
    ends[1]?.reject(new Error('no luck'))
    await lab.clock.settle()
    assert.deepEqual(lab.counts(), { done: 1, failed: 1, running: 2, pending: 1 })
    assert.deepEqual(lab.tasks()[1], {
      status: 'failed',
      attempt: 1,
      releases: 0,
      dueIn: 1_000,
      failures: ['no luck'],
    })
    for (const { resolve } of ends) resolve()
    await lab.clock.settle()
    for (const { resolve } of ends) resolve()
    await lab.clock.advance('1s')
    for (const { resolve } of ends) resolve()
    await lab.clock.settle()
    assert.deepEqual(lab.counts(), { done: 5 })
    assert.equal(lab.tasks()[1]?.attempt, 2)
    assert.ok(lab.claims.every(({ limit }) => limit <= 2))
  })
})

describe('rateLimit', () => {
  test('exhausted it claims nothing until the next token, then exactly one task', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<number>()
    await queue.pushBulk(numbers(5))
    lab.run(queue, (worker) =>
      worker.layer(rateLimit({ limit: 1, per: '10m', burst: 2 })).build(() => undefined),
    )
    await lab.clock.settle()
    assert.deepEqual(lab.counts(), { done: 2, pending: 3 })
    const before = lab.claims.length
    await lab.clock.advance('599.999s')
    assert.equal(lab.claims.length, before)
    await lab.clock.advance(1)
    assert.deepEqual(lab.claims.slice(before), [{ at: 600_000, limit: 1, rows: 1 }])
    assert.deepEqual(lab.counts(), { done: 3, pending: 2 })
    await lab.clock.advance('10m')
    assert.deepEqual(lab.claims.slice(before + 1), [{ at: 1_200_000, limit: 1, rows: 1 }])
  })

  test('two workers that share one claim nothing before its time, and start one task a token', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<number>()
    await queue.pushBulk(numbers(8))
    const limit = rateLimit({ limit: 1, per: '10m' })
    const ran: [number, string][] = []
    const started = lab.clock.now()
    for (let workers = 0; workers < 2; workers += 1) {
      lab.run(queue, (worker) =>
        worker.layer(limit).build((_, { worker: { name } }) => {
          ran.push([lab.clock.now() - started, name])
        }),
      )
    }
    for (let tokens = 0; tokens < 6; tokens += 1) await lab.clock.advance('10m')
    assert.deepEqual(
      ran.map(([at]) => at),
      numbers(7).map((token) => token * 600_000),
    )
    assert.ok(lab.claims.every(({ at }) => at % 600_000 === 0))
    const byFirst = ran.filter(([, name]) => name === 'worker 1').length
    assert.ok(byFirst === 3 || byFirst === 4, `${byFirst} of 7`)
  })

  test('what another worker took the token of is given back, due when the next one comes', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<number>()
    const limit = rateLimit({ limit: 1, per: '10m' })
    const gate = Promise.withResolvers<void>()
    lab.run(queue, (worker) =>
      worker
        .use(async (_, next) => {
          await gate.promise
          return await next()
        })
        .layer(limit)
        .build(() => undefined),
    )
    await queue.push(1)
    await lab.clock.advance('1m')
    assert.deepEqual(lab.counts(), { running: 1 })
    lab.run(queue, (worker) => worker.layer(limit).build(() => undefined))
    await queue.push(2)
    await lab.clock.settle()
    gate.resolve()
    await lab.clock.settle()
    assert.deepEqual(lab.tasks(), [
      {
        status: 'pending',
        attempt: 0,
        releases: 1,
        dueIn: 600_000,
        failures: ['limit of 1 in 10m reached'],
      },
      { status: 'done', attempt: 1, releases: 0 },
    ])
    await lab.clock.advance('10m')
    const [{ status, attempt, releases } = {}] = lab.tasks()
    assert.deepEqual({ status, attempt, releases }, { status: 'done', attempt: 1, releases: 0 })
  })
})

describe('loadShed', () => {
  test('claims all there is and gives back what it cannot start, without using attempts', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<number>()
    await queue.pushBulk(numbers(4))
    const end = Promise.withResolvers<void>()
    lab.run(queue, (worker) =>
      worker
        .layer(loadShed())
        .layer(concurrency(1))
        .build(async (index) => {
          if (index === 0) await end.promise
        }),
    )
    await lab.clock.settle()
    const [first, ...shed] = lab.tasks()
    assert.deepEqual(first, { status: 'running', attempt: 1, releases: 0 })
    for (const { dueIn = 0, ...task } of shed) {
      assert.deepEqual(task, {
        status: 'pending',
        attempt: 0,
        releases: 1,
        failures: ['overloaded'],
      })
      assert.ok(dueIn >= 500 && dueIn <= 1_500, `due in ${dueIn} ms`)
    }
    end.resolve()
    await lab.clock.advance('10s')
    assert.deepEqual(lab.counts(), { done: 4 })
    assert.ok(lab.tasks().every(({ attempt, releases }) => attempt === 1 && releases === 0))
  })
})

describe('timeout', () => {
  test('fails the attempt of what takes too long, and frees its place at once', async () => {
    await using lab = new Lab()
    const queue = await lab.queue<string>({ attempts: 2 })
    await queue.pushBulk(['fast', 'slow', 'next'])
    const worker = lab.run(queue, (builder) =>
      builder
        .layer(concurrency(1))
        .layer(timeout('30s'))
        .build(async (kind) => {
          if (kind === 'slow') await new Promise(() => {})
        }),
    )
    await lab.clock.advance('29.999s')
    assert.deepEqual(lab.counts(), { done: 1, running: 1, pending: 1 })
    await lab.clock.advance(1)
    const [, slow, next] = lab.tasks()
    assert.equal(slow?.status, 'failed')
    assert.equal(slow.attempt, 1)
    assert.equal(slow.dueIn, 1_000)
    assert.match(slow.failures?.[0] ?? '', /took longer than 30000 ms/)
    assert.equal(next?.status, 'done')
    await lab.clock.advance('31s')
    assert.equal(lab.tasks()[1]?.status, 'killed')
    assert.equal(lab.tasks()[1]?.attempt, 2)
    await lab.clock.advance('1s')
    assert.equal(worker.context.leaked, 2)
    assert.equal(lab.events.filter(({ type }) => type === 'leaked').length, 2)
  })
})
