import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInterruptedError, isLeaseLostError } from '../../src/errors/task-errors.ts'
import { longRunning, type Runner } from '../../src/layers/long-running.ts'
import type { Event } from '../../src/service/events.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

type Run = (runner: Runner, clock: TestClock) => unknown

function lab(run: Run) {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const tasks = new Storage(store, { clock, lease: '30s' }).queue<string>('work')
  const events: Event[] = []
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .provide(longRunning())
    .onEvent((event) => events.push(event))
    .build((_, { data }) => run(data.runner, clock))
  const status = async (id: string): Promise<unknown> => {
    const task = await tasks.fetchById(id)
    return task && [task.parts.status, task.parts.attempt.current]
  }
  const count = (type: Event['type']): number =>
    events.filter((event) => event.type === type).length
  return { clock, store, tasks, worker, status, count }
}

test('the task stays claimed, through any number of leases, until its work has ended', async () => {
  const { clock, tasks, worker, status, count } = lab((runner, clock) => {
    runner.execute(() => sleep(clock, 10 * 60_000))
    return 'the handler is through'
  })
  const running = worker.run()
  const id = await tasks.push('long')
  await clock.advance('9m')
  assert.deepEqual(await status(id), ['running', 1])
  // The run, and its work.
  assert.equal(worker.context.taskCount, 2)
  await clock.advance('1m')
  assert.deepEqual(await status(id), ['done', 1])
  assert.deepEqual([count('lost'), count('success')], [0, 1])
  assert.equal(worker.context.taskCount, 0)
  worker.stop()
  await running
})

test('a drain waits for work, and for what that starts meanwhile', async () => {
  const steps: string[] = []
  const { clock, tasks, worker, status } = lab((runner, clock) => {
    runner.execute(async () => {
      await sleep(clock, 60_000)
      runner.execute(async () => {
        await sleep(clock, 60_000)
        steps.push('child')
      })
      steps.push('parent')
    })
  })
  const running = worker.run().then(() => steps.push('stopped'))
  const id = await tasks.push('long')
  await clock.settle()
  worker.stop()
  await clock.advance('90s')
  assert.deepEqual(steps, ['parent'])
  await clock.advance('30s')
  await running
  assert.deepEqual(steps, ['parent', 'child', 'stopped'])
  assert.deepEqual(await status(id), ['done', 1])
})

test('after the shutdown deadline work is ended and refused, and the task given back', async () => {
  const refused: unknown[] = []
  const { clock, tasks, worker, status, count } = lab((runner, clock) => {
    runner.execute(async (signal) => {
      await sleep(clock, 60_000, { signal })
      try {
        runner.execute(() => assert.fail('it was started'))
      } catch (error) {
        refused.push(error)
      }
      throw signal.reason
    })
  })
  const running = worker.run({ shutdownTimeout: '10s' })
  const id = await tasks.push('long')
  await clock.settle()
  worker.stop()
  await clock.advance('10s')
  await running
  assert.equal(refused.length, 1)
  assert.ok(isInterruptedError(refused[0]))
  assert.deepEqual(await status(id), ['pending', 0])
  assert.equal(count('leaked'), 0)
})

test('work that ends well within the grace of the deadline makes its task done', async () => {
  const { clock, tasks, worker, status } = lab((runner, clock) => {
    runner.execute(async (signal) => {
      await sleep(clock, 60_000, { signal })
      await sleep(clock, 500)
    })
  })
  const running = worker.run({ shutdownTimeout: '10s' })
  const id = await tasks.push('long')
  await clock.settle()
  worker.stop()
  await clock.advance('11s')
  await running
  assert.deepEqual(await status(id), ['done', 1])
})

test('work that ignores the deadline is left behind, told as leaked, and the task given back', async () => {
  const { clock, tasks, worker, status, count } = lab((runner) => {
    runner.execute(() => new Promise(() => {}))
  })
  const running = worker.run({ shutdownTimeout: '10s' })
  const id = await tasks.push('long')
  await clock.settle()
  worker.stop()
  await clock.advance('1m')
  await running
  assert.deepEqual(await status(id), ['pending', 0])
  assert.equal(count('leaked'), 1)
})

test('work ends with the lease', async () => {
  const reasons: unknown[] = []
  const { clock, store, tasks, worker, count } = lab((runner, clock) => {
    runner.execute(async (signal) => {
      await sleep(clock, 10 * 60_000, { signal })
      reasons.push(signal.reason)
    })
  })
  const running = worker.run()
  await tasks.push('long')
  await clock.settle()
  store.failBefore('beat', new Error('refused'), { times: 10 })
  await clock.advance('30s')
  assert.equal(reasons.length, 1)
  assert.ok(isLeaseLostError(reasons[0]))
  assert.equal(count('lost'), 1)
  worker.stop()
  worker.abort()
  await clock.advance('10s')
  await running
})
