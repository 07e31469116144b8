import assert from 'node:assert/strict'
import { existsSync, renameSync } from 'node:fs'
import { test } from 'node:test'
import { type Event, WorkerBuilder } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'

test('a task goes from one storage through a worker of another to its result', async () => {
  using folder = testFolder()
  await using producer = await SqliteStorage.open(folder.file())
  await using consumer = await SqliteStorage.open(folder.file())
  const worker = new WorkerBuilder('adder')
    .backend(consumer.queue<readonly number[], number>('sums', { result: sums }))
    .build((numbers) => numbers.reduce((sum, number) => sum + number, 0))
  const running = worker.run()
  const tasks = producer.queue<readonly number[], number>('sums', { result: sums })
  const id = await tasks.push([1, 2, 3])
  assert.equal(await tasks.result(id), 6)
  worker.stop()
  await running
})

/** The codec of results. */
const sums = {
  encode: (value: number) => String(value),
  decode: (text: string) => Number(text),
}

test('a file that is gone for a while is a supervised failure: told, survived, and nothing new is made', async () => {
  using folder = testFolder()
  const path = folder.file()
  await using storage = await SqliteStorage.open(path, { lease: '600ms', safetyPoll: '50ms' })
  const tasks = storage.queue<string>('work')
  const events: Event[] = []
  let look = (): void => {}
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (condition()) resolve()
      }
      look()
    })
  const worker = new WorkerBuilder('worker')
    .backend(tasks)
    .onEvent((event) => {
      events.push(event)
      look()
    })
    .build(() => {})
  const running = worker.run()
  const succeeded = (): number => events.filter(({ type }) => type === 'success').length
  await tasks.push('before')
  await until(() => succeeded() === 1)
  renameSync(path, `${path}.away`)
  const failures = (): readonly unknown[] =>
    events.flatMap((event) => (event.type === 'error' && 'operation' in event ? [event.error] : []))
  await until(() => failures().length >= 2)
  assert.match(String(failures()[0]), /the file was deleted or moved away/)
  assert.ok(String(failures()[0]).includes(path))
  await assert.rejects(tasks.push('lost'), { code: 'ERR_BACKEND' })
  assert.equal(existsSync(path), false)
  renameSync(`${path}.away`, path)
  await tasks.push('after')
  await until(() => succeeded() === 2)
  worker.stop()
  await running
})
