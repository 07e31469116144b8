import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoreSignal } from '../../../src/storage/task-store.ts'
import { error, Lab, leaseMs, queue, rescuing, row } from './fixture.ts'

const due: StoreSignal = { type: 'due', queue }

function settled(...ids: readonly string[]): StoreSignal {
  return { type: 'settled', queue, ids }
}

async function listening(): Promise<Lab> {
  const lab = new Lab()
  await lab.listen()
  return lab
}

test('an insert says once that work is due, also later work, and nothing when nothing was stored', async () => {
  const lab = await listening()
  await lab.insert('a', 'b', row('c', { delayMs: 1_000 }))
  assert.deepEqual(lab.heard(), [due])
  await lab.insert(row('d', { delayMs: 1_000 }))
  assert.deepEqual(lab.heard(), [due])
  await lab.store.insert(queue, [row('a')])
  await lab.store.insert(queue, [row('e'), row('a')], { refuseExisting: true })
  await lab.store.insert(queue, [])
  assert.deepEqual(lab.heard(), [])
  await lab.store.insert('other', [row('a')])
  assert.deepEqual(lab.heard(), [{ type: 'due', queue: 'other' }])
})

test('a settle says once that failed or released rows run again, and nothing of ends that nobody awaits', async () => {
  const lab = await listening()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c', 'd')
  const rows = await lab.claim(worker)
  lab.heard()
  const outcomes = [
    { type: 'failed', error: error(), retryInMs: 1_000 },
    { type: 'released', dueInMs: 1_000 },
    { type: 'done' },
    { type: 'killed', error: error() },
  ] as const
  const settlements = rows.flatMap(({ id, epoch }, index) => {
    const outcome = outcomes[index]
    return outcome === undefined ? [] : [{ id, epoch, outcome }]
  })
  await lab.store.settle(worker, settlements)
  assert.deepEqual(lab.heard(), [due])
  assert.deepEqual(await lab.store.settle(worker, settlements), Array(4).fill('repeated'))
  assert.deepEqual(lab.heard(), [])
})

test('the end of an awaited row is told, however it ends', async () => {
  const ends: readonly (readonly [string, (lab: Lab) => Promise<unknown>])[] = [
    ['done', async (lab) => lab.finish(await lab.enlist(), 1)],
    [
      'killed by its worker',
      async (lab) => {
        const worker = await lab.enlist()
        await lab.settle(worker, await lab.claimOne(worker), { type: 'killed', error: error() })
      },
    ],
    ['killed', (lab) => lab.store.kill(queue, 'a', error())],
    ['removed', (lab) => lab.store.remove(queue, 'a')],
  ]
  for (const [name, end] of ends) {
    const lab = await listening()
    await lab.insert('a', 'b')
    assert.deepEqual(
      (await lab.store.watch(queue, ['a', 'missing'])).map((found) => found?.status),
      ['pending', undefined],
    )
    lab.heard()
    await end(lab)
    assert.deepEqual(lab.heard(), [settled('a')], name)
    await lab.store.kill(queue, 'b', error())
    assert.deepEqual(lab.heard(), [], 'nobody awaits the other one')
  }
})

test('one call tells of all awaited ends in it at once', async () => {
  const lab = await listening()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'c')
  await lab.store.watch(queue, ['a', 'c'])
  const rows = await lab.claim(worker)
  lab.heard()
  const outcome = { type: 'done' } as const
  await lab.store.settle(
    worker,
    rows.map(({ id, epoch }) => ({ id, epoch, outcome })),
  )
  assert.deepEqual(lab.heard(), [settled('a', 'c')])
})

test('to read a row is not to await it', async () => {
  const lab = await listening()
  await lab.insert('a')
  await lab.store.get(queue, ['a'])
  lab.heard()
  await lab.store.kill(queue, 'a', error())
  assert.deepEqual(lab.heard(), [])
})

test('a rescue tells of work that is due again, and of the awaited end by poison', async () => {
  const lab = await listening()
  await lab.insert('a', 'b')
  await lab.store.watch(queue, ['a'])
  for (let death = 1; death <= 3; death += 1) {
    await lab.claim(await lab.enlist(`dying ${death}`), death === 3 ? 1 : 2)
    lab.pass(leaseMs)
    lab.heard()
    await lab.store.rescue(queue, 10, rescuing)
    assert.deepEqual(lab.heard(), [death === 3 ? settled('a') : due])
  }
  await lab.store.rescue(queue, 10, rescuing)
  assert.deepEqual(lab.heard(), [])
})

test('leave, take, retry and update say that something is due; without effect they say nothing', async () => {
  const lab = await listening()
  const worker = await lab.enlist()
  await lab.insert('a')
  await lab.claim(worker)
  lab.heard()
  await lab.store.take(queue, 'a')
  assert.deepEqual(lab.heard(), [due])
  await lab.store.take(queue, 'a')
  assert.deepEqual(lab.heard(), [])
  await lab.store.update(queue, 'a', { delayMs: 0 })
  assert.deepEqual(lab.heard(), [due])
  await lab.store.update(queue, 'missing', { delayMs: 0 })
  await lab.store.retry(queue, 'a', { resetAttempts: true })
  assert.deepEqual(lab.heard(), [])
  await lab.claim(worker)
  await lab.store.leave(worker)
  assert.deepEqual(lab.heard(), [due])
  await lab.store.leave(worker)
  assert.deepEqual(lab.heard(), [])
  await lab.store.kill(queue, 'a', error())
  await lab.store.retry(queue, 'a', { resetAttempts: true })
  assert.deepEqual(lab.heard(), [due])
})

test('the kill of a running row is told by its id, so that its worker aborts', async () => {
  const lab = await listening()
  const worker = await lab.enlist()
  await lab.insert('a', 'b', 'pending')
  await lab.claim(worker, 2)
  await lab.store.watch(queue, ['b'])
  lab.heard()
  await lab.store.kill(queue, 'a', error())
  assert.deepEqual(lab.heard(), [{ type: 'killed', queue, ids: ['a'] }])
  await lab.store.kill(queue, 'b', error())
  assert.deepEqual(lab.heard(), [{ type: 'killed', queue, ids: ['b'] }, settled('b')])
  await lab.store.kill(queue, 'pending', error())
  await lab.store.kill(queue, 'a', error())
  assert.deepEqual(lab.heard(), [])
})

test('pause and resume are told when they change something', async () => {
  const lab = await listening()
  await lab.store.pause(queue, false)
  assert.deepEqual(lab.heard(), [])
  await lab.store.pause(queue, true)
  await lab.store.pause(queue, true)
  assert.deepEqual(lab.heard(), [{ type: 'paused', queue }])
  await lab.store.pause(queue, false)
  assert.deepEqual(lab.heard(), [{ type: 'resumed', queue }])
})

test('claims, beats and reads say nothing', async () => {
  const lab = await listening()
  const worker = await lab.enlist()
  await lab.insert(row('a', { delayMs: 10 }))
  lab.pass(10)
  lab.heard()
  await lab.store.beat(worker)
  await lab.store.count(queue)
  await lab.claim(worker)
  await lab.store.watch(queue, ['a'])
  await lab.store.list(queue, { offset: 0, limit: 10 })
  assert.deepEqual(lab.heard(), [])
})

test('a listener hears until it is disposed of; the same function twice is two listeners', async () => {
  const lab = new Lab()
  const heard: StoreSignal[] = []
  const listener = (signal: StoreSignal): void => {
    heard.push(signal)
  }
  const one = await lab.store.listen(listener)
  const two = await lab.store.listen(listener)
  await lab.insert('a')
  assert.equal(heard.splice(0).length, 2)
  await one[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await lab.insert('b')
  assert.equal(heard.splice(0).length, 1)
  await two[Symbol.asyncDispose]()
  await lab.insert('c')
  assert.equal(heard.length, 0)
})

test('a listener that throws disturbs neither the store nor the others', async () => {
  const lab = new Lab()
  await lab.store.listen(() => {
    throw new Error('not me')
  })
  await lab.listen()
  await lab.insert('a')
  assert.deepEqual(lab.heard(), [due])
  assert.deepEqual(await lab.stored(), ['a'])
})

test('a signal comes before its call has answered and after its work is done', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert('a', 'b')
  await lab.store.watch(queue, ['a'])
  const rows = await lab.claim(worker)
  const seen: Promise<unknown>[] = []
  await lab.store.listen(() => {
    seen.push(lab.store.count(queue).then(({ done, running }) => [done, running]))
  })
  const outcome = { type: 'done' } as const
  const answer = lab.store.settle(
    worker,
    rows.map(({ id, epoch }) => ({ id, epoch, outcome })),
  )
  assert.equal(seen.length, 1, 'delivered while the call was made')
  await answer
  assert.deepEqual(await Promise.all(seen), [[2, 0]])
})
