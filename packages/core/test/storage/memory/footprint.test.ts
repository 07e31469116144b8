import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { error, Lab, leaseMs, queue, rescuing, row } from './fixture.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const COUNT = 32
/** Bytes of one row's arguments: few enough that Node keeps the text on the heap, which is what is measured. */
const LARGE = 2 ** 18

/** Text that is no part of another. */
function large(): string {
  return Buffer.alloc(LARGE, 'x').toString('latin1')
}

function used(): number {
  collect()
  return process.memoryUsage().heapUsed
}

test('rows that have ended and were purged leave nothing behind', async () => {
  const lab = new Lab({ keepFinished: 1_000_000 })
  const before = used()
  const worker = await lab.enlist()
  for (let index = 0; index < COUNT; index += 1) {
    await lab.insert(
      row(`${index}`, {
        args: large(),
        priority: index % 3,
        delayMs: (index * 7) % 11,
        uniqueKey: `key ${index}`,
        ...(index % 2 === 0 && { uniqueForMs: 1_000 }),
      }),
    )
  }
  assert.ok(used() - before > (COUNT / 2) * LARGE, 'the rows are kept while they are stored')
  lab.pass(20)
  await lab.claim(worker, COUNT / 4)
  lab.pass(leaseMs)
  assert.equal((await lab.store.rescue(queue, COUNT, rescuing)).length, COUNT / 4)
  const last = await lab.enlist('last')
  for (let index = 0; index < COUNT; index += 4) {
    await lab.store.kill(queue, `${index}`, error())
    await lab.store.remove(queue, `${index + 1}`)
  }
  await lab.finish(last, COUNT / 2)
  for (const status of ['done', 'killed'] as const) {
    await lab.store.purge(queue, { status, olderThanMs: 0, limit: COUNT })
  }
  await lab.store.leave(last)
  assert.deepEqual(await lab.store.queues(), [])
  assert.ok(used() - before < 4 * LARGE, 'less than four of the rows are left')
})

test('what passes through a queue that is never empty is not kept', async () => {
  const lab = new Lab({ keepFinished: 2 })
  const worker = await lab.enlist()
  await lab.insert(row('stays', { delayMs: 10_000_000 }), row('first', { priority: -9 }))
  const before = used()
  for (let index = 0; index < COUNT; index += 1) {
    await lab.insert(row(`${index}`, { args: large() }))
    await lab.finish(worker, 1)
    await lab.insert(row(`cancelled ${index}`, { args: large(), delayMs: 20_000_000 + index }))
    await lab.store.remove(queue, `cancelled ${index}`)
  }
  assert.ok(used() - before < 8 * LARGE)
})

test('neither the names of queues nor of workers are kept when they hold nothing', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a')
  const before = used()
  for (let index = 0; index < COUNT; index += 1) {
    const name = `${index} ${large()}`
    await lab.store.insert(name, [row('a')])
    await lab.store.remove(name, 'a')
    await lab.store.get(name, ['a'])
    await lab.claim(await lab.enlist(`dead ${name}`))
    lab.pass(leaseMs)
    await lab.store.beat(worker)
    await lab.store.rescue(queue, 1, { ...rescuing, maxRescues: COUNT + 1 })
  }
  for (let index = 0; index < COUNT; index += 1) {
    const leaving = await lab.enlist(`${index} leaving ${large()}`)
    await lab.claim(leaving)
    await lab.store.leave(leaving)
  }
  assert.deepEqual(await lab.stored(), ['a'])
  assert.ok(used() - before < 4 * LARGE)
})
