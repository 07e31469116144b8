import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { around } from '../../src/service/around.ts'
import type { Event } from '../../src/service/events.ts'
import { asRun, type RunEnd } from '../../src/service/request.ts'
import type { Layer } from '../../src/service/service.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import { sleep } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** A worker whose outermost layer writes down what becomes of its runs, with one that takes a second inside it. */
function lab(handler: (args: string, signal: AbortSignal) => unknown) {
  const clock = new TestClock()
  const tasks = new MemoryStorage({ clock }).queue<string>('work', {
    attempts: 2,
    backoff: constant('1m'),
  })
  const ends: RunEnd[] = []
  const events: Event[] = []
  const watching: Layer = (inner) =>
    around(inner, (request) => {
      asRun(request).observer.onEnd((end) => ends.push(end))
      return inner.call(request)
    })
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .layer(watching)
    .use(async (request, next) => {
      await sleep(clock, 1_000, { signal: request.signal })
      return next()
    })
    .onEvent((event) => events.push(event))
    .build((args, { signal }) => handler(args, signal))
  return { clock, tasks, ends, events, worker, running: worker.run() }
}

test('a layer is told what becomes of a run, once, when that is decided', async () => {
  const failure = new Error('failed')
  const abort = new AbortError('never')
  const snooze = new RetryAfterError('not now', '5m', { countAttempt: false })
  const { clock, tasks, ends, worker, running } = lab((args) => {
    if (args === 'fails') throw failure
    if (args === 'aborts') throw abort
    if (args === 'snoozes') throw snooze
  })
  for (const args of ['succeeds', 'fails', 'aborts', 'snoozes']) {
    await tasks.push(args)
    await clock.advance('1s')
  }
  assert.deepEqual(ends, [
    { outcome: 'done' },
    { outcome: 'failed', error: failure },
    { outcome: 'killed', error: abort },
    { outcome: 'released', error: snooze },
  ])
  await clock.advance('1m')
  // The second of two attempts.
  assert.deepEqual(ends.slice(4), [{ outcome: 'killed', error: failure }])
  worker.stop()
  await running
})

test('a run that is taken away ends as lost, with the reason', async () => {
  const { clock, tasks, ends, worker, running } = lab(() => new Promise(() => {}))
  const id = await tasks.push('hangs')
  await clock.advance('1s')
  await tasks.kill(id)
  await clock.advance('1s')
  assert.equal(ends.length, 1)
  assert.equal(ends[0]?.outcome, 'lost')
  assert.equal((ends[0].error as { code?: string }).code, 'ERR_TASK_KILLED')
  worker.stop()
  await running
})

test('events say how long the layers took, and how long the run', async () => {
  const { clock, tasks, events, worker, running } = lab(async (args) => {
    await sleep(clock, 500)
    if (args === 'fails') throw new Error('failed')
  })
  await tasks.push('succeeds')
  await tasks.push('fails')
  await clock.advance('2s')
  const told = events.flatMap((event) => {
    if (event.type === 'engage') return [event.waitedMs]
    if (event.type === 'success' || (event.type === 'error' && 'task' in event)) {
      return [event.durationMs]
    }
    return []
  })
  assert.deepEqual(told, [1_000, 1_000, 1_500, 1_500])
  worker.stop()
  await running
})

test('what never ran has no duration', async () => {
  const clock = new TestClock()
  const storage = new MemoryStorage({ clock })
  await storage.queue<string>('work').push('no number')
  const tasks = storage.queue<number>('work', {
    args: {
      encode: String,
      decode() {
        throw new Error('no number')
      },
    },
  })
  const events: Event[] = []
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .onEvent((event) => events.push(event))
    .build(() => {})
  const running = worker.run()
  await clock.settle()
  const killed = events.find((event) => event.type === 'error')
  assert.ok(killed !== undefined && 'outcome' in killed)
  assert.equal(killed.outcome, 'killed')
  assert.equal('durationMs' in killed, false)
  worker.stop()
  await running
})

test('a test says itself how its request ends', () => {
  const request = testRequest('args')
  const ends: RunEnd[] = []
  request.observer.onEnd((end) => ends.push(end))
  request.end({ outcome: 'done' })
  assert.deepEqual(ends, [{ outcome: 'done' }])
})
