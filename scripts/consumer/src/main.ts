import { json, MemoryStorage, type Storage, WorkerBuilder } from '@apalis/core'
import { assertPushed, drain, model, perform, TestClock, TestWorker } from '@apalis/core/testing'
import { PostgresStorage } from '@apalis/postgres'
import { SqliteStorage } from '@apalis/sqlite'

/** Three tasks through one worker of a storage. */
async function threeDone(storage: Storage): Promise<number> {
  const numbers = storage.queue('numbers', { args: json<number>(), result: json<number>() })
  const ids = await numbers.pushBulk([1, 2, 3])
  const worker = new WorkerBuilder('consumer').backend(numbers).build((n) => n * 2)
  const results = Promise.all(ids.map((id) => numbers.result(id)))
  await worker.runUntil(results)
  return (await results).filter((result, index) => result === (index + 1) * 2).length
}

const sqlite = await SqliteStorage.open(':memory:')
const done = [await threeDone(new MemoryStorage()), await threeDone(sqlite)]
await sqlite.close()

const clock = new TestClock()
const later = new MemoryStorage({ clock }).queue<string>('later')
await later.push('x', { delay: '1h' })
const tested = new TestWorker(later, (builder) => builder.build((text) => text))
if ((await tested.executeNext()) !== undefined) throw new Error('it ran before its time')
await clock.advance('1h')
if ((await tested.executeNext())?.outcome !== 'done') throw new Error('it did not run')
await tested.stop()

// What only the model needs is not here, and nothing else asks for it.
const told = await model({ harness: () => Promise.reject(new Error('it was opened')) }).then(
  () => 'nothing',
  (error: unknown) => String(error),
)
if (!told.includes('npm install --save-dev fast-check')) throw new Error(told)

// Nor is pg, which only a URL needs.
const unconnected = await PostgresStorage.connect('postgres://127.0.0.1:1/none').then(
  () => 'connected',
  (error: unknown) => String(error),
)
if (!unconnected.includes('npm install pg')) throw new Error(unconnected)

const performed = await perform((text) => text.length, 'x', { queue: later })
if (performed.type !== 'done' || performed.result !== 1) throw new Error('it did not perform')
await later.push('y')
await assertPushed(later, { args: 'y', status: 'pending' })
if ((await drain(later, (text) => text)).done !== 1) throw new Error('it did not drain')

if (done.some((count) => count !== 3)) throw new Error(`not 3 and 3 done but ${done.join(' and ')}`)
console.log('3 done')
