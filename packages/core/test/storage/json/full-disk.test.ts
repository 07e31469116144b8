import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isBackendError, isUnknownOutcomeError } from '../../../src/errors/backend-errors.ts'
import type { Event } from '../../../src/service/events.ts'
import { JsonStorage } from '../../../src/storage/json/json-storage.ts'
import { TestClock } from '../../../src/testing/test-clock.ts'
import { WorkerBuilder } from '../../../src/worker/worker-builder.ts'
import { handles, idsOf, newPath, open, queue, row } from './lab.ts'

const program = fileURLToPath(new URL('limited.ts', import.meta.url))

interface Disk {
  full: boolean
  /** Writes that failed. */
  failed: number
}

type Write = (
  this: FileHandle,
  bytes: Uint8Array,
  from: number,
  length: number,
  at: number,
) => Promise<{ readonly bytesWritten: number }>

function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
}

/** A disk that is full when it is said to be: half of what is written gets onto it. */
async function disk(context: TestContext): Promise<Disk> {
  const state: Disk = { full: false, failed: 0 }
  const prototype = await handles()
  // Called on the handle that is written to; of its signatures the journal uses this one.
  // oxlint-disable-next-line typescript/unbound-method -- see above
  const write = prototype.write as Write
  async function halfway(this: FileHandle, ...[bytes, from, length, at]: Parameters<Write>) {
    if (!state.full) return write.call(this, bytes, from, length, at)
    state.failed += 1
    await write.call(this, bytes, from, Math.floor(length / 2), at)
    throw noSpace()
  }
  context.mock.method(prototype, 'write', halfway as typeof prototype.write)
  return state
}

test('in a process that may write no more: each push is stored or refused by the name of the file', async () => {
  const path = newPath()
  const script = 'ulimit -f 100; exec "$0" "$@"'
  const node = [process.execPath, '--conditions=@apalis/source', program, path]
  const output = execFileSync('sh', ['-c', script, ...node], { encoding: 'utf8' })
  const said = JSON.parse(output) as { readonly stored: number; readonly errors: string[] }
  assert.ok(said.stored > 10, output)
  for (const error of said.errors) assert.ok(error.includes(`${path}: EFBIG`), error)
  assert.ok(readFileSync(path, 'utf8').endsWith('}\n'), 'a part of a line is left')
  assert.equal(existsSync(`${path}.lock`), false)
  const storage = await JsonStorage.open(path)
  assert.deepEqual(storage.damaged, [])
  assert.equal((await storage.queue('texts').metrics()).pending, said.stored)
  await storage.close()
})

test('with room again everything that was changed is written, once, and nothing of what was refused', async (context) => {
  const state = await disk(context)
  const path = newPath()
  const store = await open(path)
  await store.insert(queue, [row('a')])
  const size = statSync(path).size
  state.full = true
  const errors: unknown[] = []
  for (const id of ['b', 'c', 'd']) {
    await store.insert(queue, [row(id)]).catch((error: unknown) => errors.push(error))
    assert.equal(statSync(path).size, size, 'a part of a line is left')
  }
  assert.deepEqual(
    errors.map((error) => isBackendError(error) && [error.applied, error.transient]),
    [
      ['unknown', true],
      ['no', true],
      ['no', true],
    ],
  )
  for (const error of errors) assert.match(String(error), /tasks\.jsonl: ENOSPC/)
  await assert.rejects(store.get(queue, ['b']), /tasks\.jsonl: ENOSPC/)
  state.full = false
  assert.deepEqual(await idsOf(store), ['a', 'b'])
  await store.insert(queue, [row('e')])
  await store.close()
  const again = await open(path)
  assert.deepEqual(await idsOf(again), ['a', 'b', 'e'])
  assert.deepEqual(again.damaged, [])
  await again.close()
})

test('a process that ends while the disk is full has lost nothing that it acknowledged, and gives the file back', async (context) => {
  const state = await disk(context)
  const path = newPath()
  const store = await open(path)
  await store.insert(queue, [row('a')])
  state.full = true
  await assert.rejects(store.insert(queue, [row('b')]))
  await assert.rejects(store.close(), (error) => {
    return isBackendError(error) && error.message.includes(`cannot close: ${path}: ENOSPC`)
  })
  state.full = false
  assert.equal(existsSync(`${path}.lock`), false)
  const again = await open(path)
  assert.deepEqual(await idsOf(again), ['a'])
  await again.close()
})

test('a temporary file is deleted, also when the last of it cannot be written', async (context) => {
  const state = await disk(context)
  const storage = await JsonStorage.temp()
  state.full = true
  await assert.rejects(storage.queue('texts').push('a'), isUnknownOutcomeError)
  await assert.rejects(storage.close(), isBackendError)
  assert.equal(existsSync(storage.path), false)
})

test('a file that cannot be written anew goes on as it is, and is when there is room', async (context) => {
  const warn = context.mock.method(process, 'emitWarning', () => {})
  const path = newPath()
  const store = await open(path, { keepFinished: 0 })
  const args = JSON.stringify('x'.repeat(100_000))
  let compactions = 0
  const grow = async (until: () => boolean): Promise<void> => {
    for (let n = 0; !until(); n += 1) {
      assert.ok(n < 1_000, 'it is never written anew')
      const file = statSync(path).ino
      await store.insert(queue, [row('a', { args })])
      await store.remove(queue, 'a')
      if (statSync(path).ino !== file) compactions += 1
    }
  }
  await store.insert(queue, [row('kept')])
  const sync = context.mock.method(await handles(), 'sync', async () => {
    throw noSpace()
  })
  await grow(() => warn.mock.callCount() > 0)
  assert.match(String(warn.mock.calls[0]?.arguments[0]), /cannot be compacted: ENOSPC/)
  assert.equal(compactions, 0)
  assert.equal(existsSync(`${path}.new`), false)
  sync.mock.restore()
  await grow(() => compactions > 0)
  await store.close()
  const again = await open(path)
  assert.deepEqual(await idsOf(again), ['kept'])
  await again.close()
})

test('a worker goes on when there is room again; meanwhile it tells, and does not spin', async (context) => {
  const state = await disk(context)
  const clock = new TestClock()
  const path = newPath()
  const storage = await JsonStorage.open(path, { clock })
  const texts = storage.queue<string>('texts')
  const ran: string[] = []
  const events: Event[] = []
  const worker = new WorkerBuilder('worker')
    .backend(texts)
    .onEvent((event) => {
      events.push(event)
    })
    .build((text) => {
      ran.push(text)
    })
  const running = worker.run()
  await texts.push('a')
  await clock.advance(1)
  state.full = true
  await assert.rejects(texts.push('b', { id: 'b' }))
  await clock.advance('2m')
  assert.ok(state.failed < 200, `${state.failed} writes`)
  assert.equal(worker.context.state, 'running')
  assert.ok(events.some((event) => event.type === 'error' && 'operation' in event))
  state.full = false
  await clock.advance('1m')
  await texts.push('c')
  await clock.advance(1)
  worker.stop()
  await running
  assert.deepEqual(ran, ['a', 'b', 'c'])
  await storage.close()
})

test('what runs while the disk is full runs on: nobody else could have it', async (context) => {
  const state = await disk(context)
  const clock = new TestClock()
  const storage = await JsonStorage.open(newPath(), { clock })
  const texts = storage.queue<string>('texts')
  const end = Promise.withResolvers<void>()
  const ran: string[] = []
  const events: Event[] = []
  const worker = new WorkerBuilder('worker')
    .backend(texts)
    .onEvent((event) => {
      events.push(event)
    })
    .build(async (text) => {
      ran.push(text)
      if (text === 'long') await end.promise
    })
  const running = worker.run()
  await texts.push('long')
  await clock.advance(1)
  await texts.push('b')
  // What cannot be written is the claim of that: whether it was made is unknown, and the next beat wants to give it back.
  state.full = true
  await clock.advance('45s')
  assert.ok(state.failed < 100, `${state.failed} writes`)
  state.full = false
  await clock.advance('1m')
  end.resolve()
  await clock.advance('1s')
  assert.deepEqual(ran, ['long', 'b'])
  assert.deepEqual(
    events.filter(({ type }) => type === 'lost'),
    [],
  )
  assert.ok(events.some((event) => event.type === 'error' && 'operation' in event))
  worker.stop()
  await running
  await storage.close()
})
