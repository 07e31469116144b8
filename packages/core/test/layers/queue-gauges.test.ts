import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError } from '../../src/errors/task-errors.ts'
import { queueGauges } from '../../src/layers/queue-gauges.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { Storage } from '../../src/storage/storage.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'
import { meterLab } from './meter-lab.ts'

const named = (queue: string) => ({
  'messaging.system': 'apalis',
  'messaging.destination.name': queue,
})

function lab() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const storage = new Storage(store, { clock, callTimeout: '10s' })
  return { clock, store, tasks: storage.queue<string>('work'), other: storage.queue('other') }
}

test('shows how many tasks there are of each status, how many are due, and for how long', async () => {
  const { clock, tasks } = lab()
  const { meter, collect } = meterLab()
  queueGauges(meter, [tasks])
  await tasks.push('succeeds')
  await tasks.push('aborts')
  await using worker = new TestWorker(tasks, (builder) =>
    builder.build((args) => {
      if (args === 'aborts') throw new AbortError('never')
    }),
  )
  await worker.executeNext()
  await worker.executeNext()
  await tasks.push('waits')
  await clock.advance('90s')
  await tasks.push('waits')
  await tasks.push('sleeps', { delay: '1h' })
  const [collected] = await collect()
  const labels = named('work')
  const status = (name: string) => ({ ...labels, 'apalis.task.status': name })
  assert.deepEqual(collected?.errors, [])
  assert.deepEqual(
    [...collected.readings],
    [
      [
        'apalis.queue.tasks',
        [
          [3, status('pending')],
          [0, status('running')],
          [0, status('failed')],
          [1, status('done')],
          [1, status('killed')],
        ],
      ],
      ['apalis.queue.due', [[2, labels]]],
      ['apalis.queue.oldest_due.age', [[90, labels]]],
    ],
  )
  assert.deepEqual([...collected.units.values()], ['{task}', '{task}', 's'])
})

test('readers that collect at the same time share one question, and the next one asks anew', async () => {
  const { store, tasks } = lab()
  const { meter, collect } = meterLab(3)
  queueGauges(meter, [tasks])
  const held = store.holdBefore('count')
  const collecting = collect()
  await held.reached
  held.release()
  for (const { readings } of await collecting) {
    assert.deepEqual(readings.get('apalis.queue.due'), [[0, named('work')]])
  }
  assert.equal(store.calls('count').length, 1)
  await tasks.push('waits')
  const [collected] = await collect()
  assert.deepEqual(collected?.readings.get('apalis.queue.due'), [[1, named('work')]])
  assert.equal(store.calls('count').length, 2)
})

test('a queue that cannot answer is missing, and the others are there', async () => {
  const { store, tasks, other } = lab()
  const { meter, collect } = meterLab()
  queueGauges(meter, [tasks, other])
  store.failBefore('count', new Error('refused'), { when: (queue) => queue === 'work' })
  const [collected] = await collect()
  assert.deepEqual(collected?.readings.get('apalis.queue.due'), [[0, named('other')]])
  assert.deepEqual(
    collected.errors.map((error) => (error as { code?: string }).code),
    ['ERR_BACKEND'],
  )
  const [again] = await collect()
  assert.equal(again?.readings.get('apalis.queue.due')?.length, 2)
})

test('a storage that does not answer costs no more than its call timeout', async () => {
  const { clock, store, tasks } = lab()
  const { meter, collect } = meterLab()
  queueGauges(meter, [tasks])
  const held = store.holdBefore('count')
  const collecting = collect()
  await held.reached
  await clock.advance('10s')
  const [collected] = await collecting
  assert.equal(collected?.errors.length, 1)
  held.release()
})

test('gauges that were taken off ask nothing', async () => {
  const { store, tasks } = lab()
  const { meter, collect } = meterLab()
  const off = queueGauges(meter, [tasks])
  off()
  const [collected] = await collect()
  assert.deepEqual(collected?.errors, [])
  assert.equal(store.calls('count').length, 0)
})

test('refuses what is no meter, and what is no queue', () => {
  const { tasks } = lab()
  const { meter } = meterLab()
  // @ts-expect-error it is no meter
  assert.throws(() => queueGauges({}, [tasks]), { code: 'ERR_OPTION' })
  // @ts-expect-error they are to be an array
  assert.throws(() => queueGauges(meter, tasks), { code: 'ERR_OPTION' })
  // @ts-expect-error a name is no queue
  assert.throws(() => queueGauges(meter, ['work']), { code: 'ERR_OPTION' })
})
