import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskStream } from '../../src/backend/task-stream.ts'
import { TaskBuilder } from '../../src/task/task-builder.ts'
import type { Task } from '../../src/task/task.ts'

const never = new AbortController().signal
const task = (n: number): Task<number> => new TaskBuilder(n).attempts(2).build()

test('gives one task at a time, nothing for undefined, and ends with its source', async () => {
  async function* source(): AsyncGenerator<Task<number> | undefined> {
    yield task(1)
    yield undefined
    yield task(2)
  }
  const stream = taskStream(source())
  const answers = []
  for (;;) {
    const answer = await stream.next(10, never)
    if (answer === undefined) break
    answers.push(answer.map((one) => ('args' in one ? one.args : 'undecodable')))
  }
  assert.deepEqual(answers, [[1], [], [2]])
})

test('a task of the builder is on its first run', async () => {
  async function* source(): AsyncGenerator<Task<number>> {
    yield task(1)
  }
  const [first] = (await taskStream(source()).next(1, never)) ?? []
  assert.deepEqual(first?.parts.attempt, { current: 1, max: 2 })
  assert.equal(first?.parts.status, 'running')
})

test('an abort ends the wait, and what comes late is given to the next call', async () => {
  const gate = Promise.withResolvers<void>()
  async function* source(): AsyncGenerator<Task<number>> {
    await gate.promise
    yield task(1)
  }
  const stream = taskStream(source())
  const abort = new AbortController()
  const waiting = stream.next(1, abort.signal)
  abort.abort()
  assert.deepEqual(await waiting, [])
  assert.deepEqual(await stream.next(1, abort.signal), [])
  gate.resolve()
  const answer = await stream.next(1, never)
  assert.equal(answer?.length, 1)
})

test('close gives back what never started, what arrives late included, and ends the source', async () => {
  const gate = Promise.withResolvers<void>()
  const released: string[] = []
  const both = Promise.withResolvers<void>()
  let ended = false
  async function* source(): AsyncGenerator<Task<number>> {
    try {
      yield task(1)
      await gate.promise
      yield task(2)
    } finally {
      ended = true
    }
  }
  const stream = taskStream(source(), {
    release: async (unstarted) => {
      released.push(...unstarted.map(({ parts }) => parts.taskId))
      if (released.length === 2) both.resolve()
    },
  })
  const [first] = (await stream.next(1, never)) ?? []
  assert.ok(first !== undefined)
  const abort = new AbortController()
  const waiting = stream.next(1, abort.signal)
  abort.abort()
  await waiting
  await stream.close([first])
  assert.deepEqual(released, [first.parts.taskId])
  gate.resolve()
  await both.promise
  assert.equal(await stream.next(1, never), undefined)
  assert.equal(ended, true)
})

test('an error of the source is thrown once', async () => {
  async function* source(): AsyncGenerator<Task<number>> {
    yield task(1)
    throw new Error('broken source')
  }
  const stream = taskStream(source())
  await stream.next(1, never)
  await assert.rejects(stream.next(1, never), /broken source/)
  assert.equal(await stream.next(1, never), undefined)
})
