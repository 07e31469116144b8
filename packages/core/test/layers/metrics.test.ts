import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackendError } from '../../src/errors/backend-errors.ts'
import { AbortError, RetryAfterError } from '../../src/errors/task-errors.ts'
import { metrics } from '../../src/layers/metrics.ts'
import { Monitor } from '../../src/monitor/monitor.ts'
import type { EventListener } from '../../src/service/worker-context.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { meterLab, type Reading } from './meter-lab.ts'

const labels = {
  'messaging.system': 'apalis',
  'messaging.destination.name': 'work',
  'apalis.worker.name': 'w',
}
const processed = { ...labels, 'messaging.operation.name': 'process' }
const outcome = 'apalis.task.outcome'

/** A worker that is measured; its layer takes a second, and what its handler does stands in the arguments. */
function lab() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const tasks = new Storage(store, { clock }).queue<string>('work', {
    attempts: 2,
    backoff: constant('1m'),
  })
  const { meter, collect } = meterLab()
  const worker = new WorkerBuilder('w')
    .backend(tasks)
    .with(metrics(meter))
    .use(async (request, next) => {
      await sleep(clock, 1_000, { signal: request.signal })
      return next()
    })
    .build(async (args) => {
      await sleep(clock, 2_000)
      if (args === 'fails') throw new TypeError('failed')
      if (args === 'aborts') throw new AbortError('never')
      if (args === 'snoozes') throw new RetryAfterError('later', '1h', { countAttempt: false })
      if (args === 'hangs') await new Promise(() => {})
    })
  const read = async (name: string): Promise<readonly Reading[]> => {
    const [collected] = await collect()
    return collected?.readings.get(name) ?? []
  }
  return { clock, store, tasks, worker, read, collect }
}

test('outcomes are counted, and how long their runs took', async () => {
  const { clock, tasks, worker, read } = lab()
  const running = worker.run()
  await tasks.pushBulk(['succeeds', 'succeeds', 'fails', 'aborts', 'snoozes'])
  await clock.advance('3s')
  const failed = { ...processed, 'error.type': 'TypeError', [outcome]: 'failed' }
  const killed = { ...processed, 'error.type': 'ERR_TASK_ABORT', [outcome]: 'killed' }
  assert.deepEqual(await read('messaging.client.consumed.messages'), [
    [2, { ...processed, [outcome]: 'done' }],
    [1, failed],
    [1, killed],
    [1, { ...processed, [outcome]: 'released' }],
  ])
  assert.deepEqual(await read('messaging.process.duration'), [
    [
      { count: 2, sum: 6 },
      { ...processed, [outcome]: 'done' },
    ],
    [{ count: 1, sum: 3 }, failed],
    [{ count: 1, sum: 3 }, killed],
    [
      { count: 1, sum: 3 },
      { ...processed, [outcome]: 'released' },
    ],
  ])
  worker.stop()
  await running
})

test('how many attempts a task has used is recorded at its end', async () => {
  const { clock, tasks, worker, read } = lab()
  const running = worker.run()
  await tasks.pushBulk(['succeeds', 'fails'])
  await clock.advance('3s')
  assert.deepEqual(await read('apalis.task.attempts'), [
    [
      { count: 1, sum: 1 },
      { ...labels, [outcome]: 'done' },
    ],
  ])
  await clock.advance('1m')
  await clock.advance('3s')
  assert.deepEqual((await read('apalis.task.attempts')).at(-1), [
    { count: 1, sum: 2 },
    { ...labels, 'error.type': 'TypeError', [outcome]: 'killed' },
  ])
  worker.stop()
  await running
})

test('the wait in the queue counts from when a task is due, the wait in the layers from its start', async () => {
  const { clock, tasks, worker, read } = lab()
  await tasks.push('succeeds')
  await tasks.push('succeeds', { delay: '10s' })
  // Nobody is there to claim either for half a minute.
  await clock.advance('30s')
  const running = worker.run()
  await clock.advance('3s')
  assert.deepEqual(await read('apalis.task.queue_wait.duration'), [
    [{ count: 2, sum: 30 + 20 }, labels],
  ])
  assert.deepEqual(await read('apalis.task.layer_wait.duration'), [[{ count: 2, sum: 2 }, labels]])
  worker.stop()
  await running
})

test('lost and leaked runs are counted', async () => {
  const { clock, tasks, worker, read } = lab()
  const running = worker.run()
  const id = await tasks.push('hangs')
  await clock.advance('3s')
  await tasks.kill(id)
  await clock.advance('1s')
  assert.deepEqual(await read('apalis.task.lost'), [
    [1, { ...labels, 'apalis.task.lost.reason': 'cancelled' }],
  ])
  assert.deepEqual(await read('apalis.task.leaked'), [[1, labels]])
  assert.deepEqual(await read('messaging.client.consumed.messages'), [])
  worker.stop()
  await running
})

test('a lost lease is counted for each run that it costs', async () => {
  const { clock, store, tasks, worker, read } = lab()
  const running = worker.run()
  await tasks.pushBulk(['hangs', 'hangs'])
  await clock.advance('3s')
  store.failBefore('beat', new BackendError('beat', 'no'), { times: 1_000 })
  await clock.advance('30s')
  assert.deepEqual(await read('apalis.task.lost'), [
    [2, { ...labels, 'apalis.task.lost.reason': 'lease' }],
  ])
  const [failures] = await read('apalis.worker.errors')
  assert.deepEqual(failures?.[1], { ...labels, 'apalis.operation': 'beat' })
  worker.stop()
  worker.abort()
  await clock.advance('1m')
  await running
})

test('outcomes that could not be written in time are counted as dropped', async () => {
  const { clock, store, tasks, worker, read } = lab()
  const running = worker.run({ shutdownTimeout: '1s' })
  await tasks.push('succeeds')
  store.failBefore('settle', new BackendError('settle', 'no'), { times: 1_000 })
  await clock.advance('3s')
  worker.stop()
  await clock.advance('10s')
  await running
  assert.deepEqual(await read('apalis.worker.dropped'), [
    [1, { ...labels, 'apalis.dropped': 'outcomes' }],
  ])
  assert.deepEqual(await read('messaging.client.consumed.messages'), [])
})

test('every instrument has a unit', async () => {
  const { clock, tasks, worker, collect } = lab()
  const running = worker.run()
  await tasks.push('succeeds')
  await clock.advance('3s')
  const [collected] = await collect()
  assert.deepEqual(
    [...(collected?.units ?? [])],
    [
      ['messaging.client.consumed.messages', '{message}'],
      ['messaging.process.duration', 's'],
      ['apalis.task.queue_wait.duration', 's'],
      ['apalis.task.layer_wait.duration', 's'],
      ['apalis.task.attempts', '{attempt}'],
    ],
  )
  worker.stop()
  await running
})

test('serves a monitor as it serves a builder', () => {
  const { meter } = meterLab()
  const monitor = new Monitor()
  assert.equal(metrics(meter)(monitor), monitor)
  const given: EventListener[] = []
  assert.equal(metrics(meter)({ onEvent: (listener) => given.push(listener) }), 1)
})

test('refuses what is no meter', () => {
  // @ts-expect-error it is no meter
  assert.throws(() => metrics({}), { code: 'ERR_OPTION', option: 'metrics' })
  const { meter } = meterLab()
  const half = { createHistogram: meter.createHistogram.bind(meter) }
  // @ts-expect-error it has no counters
  assert.throws(() => metrics(half), { code: 'ERR_OPTION', option: 'metrics' })
})
