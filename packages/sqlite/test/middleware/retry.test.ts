import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortError,
  constant,
  rateLimit,
  retry,
  RetryAfterError,
  retryBudget,
  type RetryOptions,
} from '@apalis/core'
import { Lab } from './lab.ts'

/** One task on its way through a `retry` of three calls, 100 ms apart. */
async function run(
  lab: Lab,
  handler: (call: number) => unknown,
  options: RetryOptions = {},
  { attempts = 5, timeout }: { readonly attempts?: number; readonly timeout?: '1s' } = {},
) {
  const queue = await lab.queue<string>({ attempts })
  await queue.push('task', timeout === undefined ? {} : { timeout })
  const calls: { readonly at: number; readonly attempt: number }[] = []
  const started = lab.clock.now()
  const worker = lab.run(queue, (builder) =>
    builder
      .layer(retry({ times: 3, backoff: constant(100), ...options }))
      .build((_, { attempt }) => {
        calls.push({ at: lab.clock.now() - started, attempt })
        return handler(calls.length)
      }),
  )
  await lab.clock.settle()
  return { queue, calls, worker }
}

function fail(): never {
  throw new Error('no luck')
}

test('the storage sees one attempt, whatever happened inside it', async () => {
  await using lab = new Lab()
  const { calls } = await run(lab, (call) => (call < 3 ? fail() : 'done'))
  assert.deepEqual(lab.tasks(), [{ status: 'running', attempt: 1, releases: 0 }])
  await lab.clock.advance(200)
  assert.deepEqual(lab.tasks(), [{ status: 'done', attempt: 1, releases: 0 }])
  assert.deepEqual(calls, [
    { at: 0, attempt: 1 },
    { at: 100, attempt: 1 },
    { at: 200, attempt: 1 },
  ])
})

test('with the attempts of the storage a failing handler runs exactly times x attempts', async () => {
  for (const [times, attempts] of [
    [3, 4],
    [1, 3],
    [4, 1],
  ] as const) {
    await using lab = new Lab()
    const { calls } = await run(lab, fail, { times }, { attempts })
    await lab.clock.advance('1h')
    assert.equal(calls.length, times * attempts)
    assert.deepEqual(lab.tasks(), [
      {
        status: 'killed',
        attempt: attempts,
        releases: 0,
        failures: Array.from({ length: attempts }, () => 'no luck'),
      },
    ])
    assert.equal(calls.at(-1)?.attempt, attempts)
  }
})

describe('what the last call ends with decides', () => {
  test('an error: failed, due after the backoff of the queue', async () => {
    await using lab = new Lab()
    await run(lab, fail)
    await lab.clock.advance(200)
    assert.deepEqual(lab.tasks(), [
      { status: 'failed', attempt: 1, releases: 0, dueIn: 1_000, failures: ['no luck'] },
    ])
  })

  test('an AbortError: killed after that call', async () => {
    await using lab = new Lab()
    const { calls } = await run(lab, (call) => {
      if (call === 2) throw new AbortError('hopeless')
      fail()
    })
    await lab.clock.advance('1h')
    assert.deepEqual(lab.tasks(), [
      { status: 'killed', attempt: 1, releases: 0, failures: ['hopeless'] },
    ])
    assert.equal(calls.length, 2)
  })

  test('a RetryAfterError for longer than maxWait: failed, due when it says', async () => {
    await using lab = new Lab()
    await run(lab, () => {
      throw new RetryAfterError('busy', '5m')
    })
    assert.deepEqual(lab.tasks(), [
      { status: 'failed', attempt: 1, releases: 0, dueIn: 300_000, failures: ['busy'] },
    ])
  })

  test('a snooze: given back without using the attempt', async () => {
    await using lab = new Lab()
    await run(lab, () => {
      throw new RetryAfterError('not yet', '5m', { countAttempt: false })
    })
    assert.deepEqual(lab.tasks(), [
      { status: 'pending', attempt: 0, releases: 1, dueIn: 300_000, failures: ['not yet'] },
    ])
  })
})

describe('a wait ends at once', () => {
  const patient: RetryOptions = { backoff: constant('1h') }

  test('with the timeout of the task: a failed attempt', async () => {
    await using lab = new Lab()
    const { calls } = await run(lab, fail, patient, { timeout: '1s' })
    await lab.clock.advance('1s')
    const [task] = lab.tasks()
    assert.equal(task?.status, 'failed')
    assert.equal(task.attempt, 1)
    assert.match(task.failures?.[0] ?? '', /took longer than 1000 ms/)
    assert.equal(calls.length, 1)
  })

  test('when the task is killed', async () => {
    await using lab = new Lab()
    const { queue, worker } = await run(lab, fail, patient)
    const [task] = await queue.listTasks()
    assert(task !== undefined)
    assert.equal(await queue.kill(task.parts.taskId), true)
    await lab.clock.settle()
    assert.equal(lab.tasks()[0]?.status, 'killed')
    assert.equal(worker.context.taskCount, 0)
  })

  test('when the worker begins to stop: the attempt failed as its last call did', async () => {
    await using lab = new Lab()
    const { worker } = await run(lab, fail, patient)
    worker.stop()
    await worker.context.stopped
    assert.deepEqual(lab.tasks(), [
      { status: 'failed', attempt: 1, releases: 0, dueIn: 1_000, failures: ['no luck'] },
    ])
  })
})

test('every call inside takes a token of its own, and waits for it', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<string>()
  await queue.pushBulk(['one', 'two'])
  const calls: number[] = []
  const failed = new Map<string, number>()
  const started = lab.clock.now()
  lab.run(queue, (builder) =>
    builder
      .layer(retry({ times: 3, backoff: constant(100) }))
      .layer(rateLimit({ limit: 1, per: '2s' }))
      .build((args) => {
        calls.push(lab.clock.now() - started)
        const failures = failed.get(args) ?? 0
        failed.set(args, failures + 1)
        if (failures < 2) fail()
      }),
  )
  await lab.clock.advance('11s')
  assert.deepEqual(calls, [0, 2_000, 4_000, 6_000, 8_000, 10_000])
  assert.deepEqual(lab.counts(), { done: 2 })
  assert.ok(lab.tasks().every(({ attempt }) => attempt === 1))
})

test('an empty budget leaves the retries to the storage', async () => {
  await using lab = new Lab()
  const budget = retryBudget({ ratio: 1, minPerSecond: 0 })
  const { calls } = await run(lab, fail, { budget, times: 5 }, { attempts: 2 })
  await lab.clock.advance(200)
  assert.equal(calls.length, 2)
  assert.equal(lab.tasks()[0]?.status, 'failed')
  await lab.clock.advance('1m')
  assert.equal(calls.length, 4)
  assert.equal(lab.tasks()[0]?.status, 'killed')
})
