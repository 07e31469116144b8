import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import { type newTaskId, taskId } from '../../src/task/task-id.ts'

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function instantOf(id: string): number {
  return Array.from(id.slice(0, 10)).reduce((ms, char) => ms * 32 + ALPHABET.indexOf(char), 0)
}

/** The module as a process finds it at its start. */
async function fresh(name: string): Promise<typeof newTaskId> {
  const url = new URL(`../../src/task/task-id.ts?${name}`, import.meta.url)
  const module = (await import(url.href)) as { readonly newTaskId: typeof newTaskId }
  return module.newTaskId
}

function assertGrowing(ids: readonly string[]): void {
  for (let index = 1; index < ids.length; index += 1) {
    const [before, after] = [ids[index - 1] ?? '', ids[index] ?? '']
    assert.ok(before < after, `${before} < ${after}`)
  }
}

test('taskId takes text that can be an id', () => {
  assert.equal(taskId('task-123'), 'task-123')
  for (const value of ['', 'x'.repeat(256), 'a\0']) {
    assert.throws(
      () => taskId(value),
      (error) => error instanceof OptionError && error.option === 'task id',
    )
  }
})

test('100,000 ids are ULIDs, unique and growing, within a millisecond and across', async () => {
  const next = await fresh('many')
  const start = Date.UTC(2030, 0, 1)
  const ids = Array.from({ length: 100_000 }, (_, index) => next(start + Math.floor(index / 1_000)))
  assert.equal(new Set(ids).size, ids.length)
  assertGrowing(ids)
  for (const id of ids) assert.match(id, ULID)
  assert.equal(instantOf(ids[0] ?? ''), start)
  assert.equal(instantOf(ids.at(-1) ?? ''), start + 99)
})

test('ids go on growing when the clock goes back or has fractions', async () => {
  const next = await fresh('back')
  const ids = [1_000.7, 1_000.7, 1_000.2, 999, 5, -5, Number.NaN, 1_001, 1_000].map((now) =>
    next(now),
  )
  assertGrowing(ids)
  assert.deepEqual(
    ids.map(instantOf),
    [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_001, 1_001],
  )
})

test('a clock that is wrong from the start makes ids all the same', async () => {
  for (const now of [Number.NaN, -1, -Infinity, 0, 2 ** 60, Infinity]) {
    const next = await fresh(`wrong${now}`)
    const ids = [next(now), next(now)]
    for (const id of ids) assert.match(id, ULID)
    assertGrowing(ids)
  }
})

test('two processes at the same instant make different ids', async () => {
  const [first, second] = [await fresh('first'), await fresh('second')]
  assert.notEqual(first(5_000), second(5_000))
})
