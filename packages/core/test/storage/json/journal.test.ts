import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import type { JsonStore } from '../../../src/storage/json/json-store.ts'
import type { Row } from '../../../src/storage/task-store.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'
import { newPath, open, queue, row, worker } from './lab.ts'

const failure = { name: 'Error', message: 'it failed' }

async function rowsOf(store: JsonStore): Promise<readonly Row[]> {
  return store.list(queue, { offset: 0, limit: 1_000 })
}

/** A bit of everything. */
async function work(store: JsonStore, clock: TestClock): Promise<void> {
  await store.insert(queue, [
    row('done', { metadata: { tenant: 't' } }),
    row('failed', { priority: 5 }),
    row('killed', { args: 'no JSON \u2028 "' }),
    row('running', { uniqueKey: 'k', timeoutMs: 1_000 }),
    row('future', { delayMs: 60_000 }),
    row('gone'),
  ])
  await store.register(worker)
  const { rows } = await store.claim(worker, 4, { suspects: 0 })
  await clock.advance(5)
  const by = new Map(rows.map(({ id, epoch }) => [id, epoch]))
  await store.settle(worker, [
    { id: 'done', epoch: by.get('done') ?? 0, outcome: { type: 'done', result: '[1,2]' } },
    {
      id: 'failed',
      epoch: by.get('failed') ?? 0,
      outcome: { type: 'failed', error: failure, retryInMs: 5_000 },
    },
    { id: 'killed', epoch: by.get('killed') ?? 0, outcome: { type: 'killed', error: failure } },
  ])
  await store.remove(queue, 'gone')
  await store.update(queue, 'future', { priority: -3, args: '"changed"' })
  await store.pause(queue, true)
}

test('a file that is opened again holds everything as it was', async () => {
  const path = newPath()
  const clock = new TestClock()
  const before = await open(path, { clock })
  await work(before, clock)
  const rows = await rowsOf(before)
  const [counts, queues] = [await before.count(queue), await before.queues()]
  await before.close()
  const after = await open(path, { clock })
  assert.deepEqual(await rowsOf(after), rows)
  assert.deepEqual(await after.count(queue), counts)
  assert.deepEqual(await after.queues(), queues)
  assert.deepEqual(await after.insert(queue, [row('other', { uniqueKey: 'k' })]), [
    { id: 'running', existing: true },
  ])
  await after.close()
})

test('what was running when the process ended is rescued at once, with one rescue more', async () => {
  const path = newPath()
  const clock = new TestClock()
  const before = await open(path, { clock })
  await before.insert(queue, [row('a')])
  await before.register(worker)
  await before.claim(worker, 1, { suspects: 0 })
  await before.close()
  const after = await open(path, { clock })
  const next = { ...worker, id: 'next' }
  await after.register(next)
  assert.equal((await after.beat(next)).rescueIn, 0)
  const poison = { name: 'PoisonError', message: 'its workers died' }
  const rescued = await after.rescue(queue, 10, { maxRescues: 3, poison })
  assert.deepEqual(
    rescued.map(({ row: { id, rescues, status, epoch } }) => [id, rescues, status, epoch]),
    [['a', 1, 'pending', 1]],
  )
  await after.close()
})

test('a person can read it: arguments and results stand there as the JSON that they are', async () => {
  const path = newPath()
  const clock = new TestClock()
  const store = await open(path, { clock })
  await work(store, clock)
  await store.close()
  const text = readFileSync(path, 'utf8')
  assert.match(text, /^\{"apalis":"json-storage","version":1\}\n/)
  assert.match(text, /"args":\{"n":1\}/)
  assert.match(text, /"result":\[1,2\]/)
  assert.match(text, /"argsText":"no JSON /)
})

test('cut off at any byte, it opens with everything that was whole before the cut', async () => {
  const path = newPath()
  const clock = new TestClock()
  const store = await open(path, { clock })
  await work(store, clock)
  await store.close()
  const whole = readFileSync(path)
  /** What every line of it leaves, by reading the file up to there. */
  const expected: { readonly end: number; readonly rows: readonly Row[] }[] = []
  for (let end = whole.indexOf(10) + 1; end > 0; end = whole.indexOf(10, end) + 1) {
    writeFileSync(path, whole.subarray(0, end))
    const part = await open(path, { clock })
    expected.push({ end, rows: await rowsOf(part) })
    await part.close()
  }
  assert.ok(expected.length > 5)
  for (let length = 0; length <= whole.length; length += 1) {
    writeFileSync(path, whole.subarray(0, length))
    const cut = await open(path, { clock })
    // One whose end is all that is missing is whole.
    const rows = expected.findLast(({ end }) => end - 1 <= length)?.rows ?? []
    assert.deepEqual(await rowsOf(cut), rows, `cut at ${length}`)
    assert.deepEqual(cut.damaged, [])
    if (length % 16 > 0) {
      await cut.close()
      continue
    }
    await cut.insert(queue, [row(`after-${length}`)])
    await cut.close()
    const again = await open(path, { clock })
    assert.equal((await rowsOf(again)).length, rows.length + 1, `cut at ${length}`)
    await again.close()
  }
})

test('a line in the middle that cannot be read is named and set aside; the others count', async (context) => {
  const path = newPath()
  const store = await open(path)
  for (const id of ['a', 'b', 'c']) await store.insert(queue, [row(id)])
  await store.close()
  const lines = readFileSync(path, 'utf8').split('\n')
  const damages = ['{', '', 'null', '{"queue":1}', '{"queue":"emails","tasks":[{"id":"b"}]}']
  damages.push('{"queue":"emails","changes":[{"id":"x","status":"done","runAt":1}]}')
  const warning = context.mock.method(process, 'emitWarning', () => {})
  for (const [index, damage] of damages.entries()) {
    writeFileSync(path, lines.with(2, damage).join('\n'))
    const opened = await open(path)
    assert.deepEqual(
      (await rowsOf(opened)).map(({ id }) => id),
      ['a', 'c'],
    )
    assert.equal(opened.damaged[0]?.line, 3, damage)
    assert.match(String(warning.mock.calls[index]?.arguments[0]), /tasks\.jsonl.*is line 3: /)
    await opened.close()
    const again = await open(path)
    assert.deepEqual(again.damaged, [], 'it is told once')
    await again.close()
    const aside = readFileSync(`${path}.damaged`, 'utf8').trim().split('\n')
    assert.equal(aside.length, index + 1)
    assert.equal((JSON.parse(aside[index] ?? '') as { text: string }).text, damage)
  }
})

test('a change of a task that was set aside costs nothing else of its line', async (context) => {
  const path = newPath()
  const clock = new TestClock()
  const store = await open(path, { clock })
  await store.insert(queue, [row('lost')])
  await store.insert(queue, [row('kept')])
  await store.register(worker)
  const { rows } = await store.claim(worker, 2, { suspects: 0 })
  await store.settle(
    worker,
    rows.map(({ id, epoch }) => ({ id, epoch, outcome: { type: 'done' } as const })),
  )
  await store.close()
  const lines = readFileSync(path, 'utf8').split('\n')
  assert.match(lines[1] ?? '', /lost/)
  lines[1] = '{'
  writeFileSync(path, lines.join('\n'))
  context.mock.method(process, 'emitWarning', () => {})
  const opened = await open(path, { clock })
  assert.deepEqual(
    (await rowsOf(opened)).map(({ id, status }) => [id, status]),
    [['kept', 'done']],
  )
  assert.deepEqual(
    opened.damaged.map(({ line }) => line),
    [2, 4, 5],
  )
  await opened.close()
})

test('bytes that are no text are damage, too', async (context) => {
  const path = newPath()
  const store = await open(path)
  await store.insert(queue, [row('a', { args: '"ä"' })])
  await store.close()
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(0xc3)] = 0xff
  writeFileSync(path, bytes)
  context.mock.method(process, 'emitWarning', () => {})
  const opened = await open(path)
  assert.equal(opened.damaged.length, 1)
  await opened.close()
})

test('a file of somebody else is refused, and stays as it is', async () => {
  const path = newPath()
  for (const text of [
    '{"name":"x"}\n',
    'hello',
    '{"apalis":"json-storage","version":2}\n',
    '[]\n',
  ]) {
    writeFileSync(path, text)
    await assert.rejects(open(path), (error) => {
      assert.ok(isBackendError(error))
      return !error.transient && error.message.includes(path) && error.message.includes('line 1')
    })
    assert.equal(readFileSync(path, 'utf8'), text)
    assert.equal(existsSync(`${path}.lock`), false)
  }
  rmSync(path)
  const inNoFolder = join(path, 'missing', 'tasks.jsonl')
  await assert.rejects(open(inNoFolder), (error) => {
    return isBackendError(error) && error.message.includes(inNoFolder)
  })
})

test('it is written anew when it has grown, while it is written to', async () => {
  const path = newPath()
  const clock = new TestClock()
  const store = await open(path, { clock, keepFinished: 10 })
  const args = JSON.stringify('x'.repeat(4_000))
  await store.register(worker)
  let file = statSync(path).ino
  let files = 1
  for (let round = 0; files < 4; round += 1) {
    assert.ok(round < 20_000, 'it is never written anew')
    const ids = Array.from({ length: 50 }, (_, index) => `${round}-${index}`)
    const [, { rows }] = await Promise.all([
      store.insert(
        queue,
        ids.map((id) => row(id, { args })),
      ),
      store.claim(worker, 50, { suspects: 0 }),
    ])
    await store.settle(
      worker,
      rows.map(({ id, epoch }) => ({ id, epoch, outcome: { type: 'done' } as const })),
    )
    const { ino } = statSync(path)
    if (ino !== file) files += 1
    file = ino
  }
  const before = await rowsOf(store)
  await store.close()
  const again = await open(path, { clock, keepFinished: 10 })
  assert.deepEqual(await rowsOf(again), before)
  await again.close()
})

test('while the file is away every change fails with its name; put back, it goes on', async () => {
  const path = newPath()
  const store = await open(path)
  await store.insert(queue, [row('a')])
  renameSync(path, `${path}.away`)
  await assert.rejects(store.insert(queue, [row('b')]), (error) => {
    return isBackendError(error) && error.applied === 'unknown' && error.message.includes(path)
  })
  await assert.rejects(store.insert(queue, [row('c')]), (error) => {
    return isBackendError(error) && error.applied === 'no' && error.transient
  })
  renameSync(`${path}.away`, path)
  await store.insert(queue, [row('d')])
  await store.close()
  const again = await open(path)
  assert.deepEqual(
    (await rowsOf(again)).map(({ id }) => id),
    ['a', 'b', 'd'],
  )
  await again.close()
})
