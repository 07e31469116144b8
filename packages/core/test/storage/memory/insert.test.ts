import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBackendError } from '../../../src/errors/backend-errors.ts'
import { error, ids, Lab, queue, row } from './fixture.ts'

test('a stored row reads back whole, with the defaults of a new one', async () => {
  const lab = new Lab()
  const now = lab.clock.now()
  const full = row('full', {
    priority: -3,
    attempts: 7,
    runAt: now + 5,
    timeoutMs: 100,
    uniqueKey: 'k',
    metadata: { tenant: 't' },
  })
  await lab.insert('bare', full)
  const fresh = { attempt: 0, epoch: 0, rescues: 0, releases: 0, errors: [], status: 'pending' }
  assert.deepEqual(await lab.store.get(queue, ['full', 'missing', 'bare']), [
    { ...full, ...fresh, createdAt: now },
    undefined,
    { ...row('bare'), ...fresh, createdAt: now, runAt: now },
  ])
})

test('a delay counts from the insert', async () => {
  const lab = new Lab()
  await lab.insert(row('a', { delayMs: 250 }))
  assert.equal((await lab.read('a')).runAt, lab.clock.now() + 250)
})

test('a taken id or key answers with the holder, and the others are stored in order', async () => {
  const lab = new Lab()
  await lab.insert(row('a', { uniqueKey: 'k' }), 'b')
  const answers = await lab.store.insert(queue, [
    row('c'),
    row('b', { args: '"other"' }),
    row('d', { uniqueKey: 'k' }),
    row('a', { uniqueKey: 'free' }),
    row('e', { uniqueKey: 'free' }),
  ])
  assert.deepEqual(answers, [
    { id: 'c', existing: false },
    { id: 'b', existing: true },
    { id: 'a', existing: true },
    { id: 'a', existing: true },
    { id: 'e', existing: false },
  ])
  assert.deepEqual(await lab.stored(), ['a', 'b', 'c', 'e'])
  assert.equal((await lab.read('b')).args, '"b"')
})

test('an id or key twice in one call is stored once, and both get the first id', async () => {
  const lab = new Lab()
  const rows = [row('a', { uniqueKey: 'k' }), row('b', { uniqueKey: 'k' }), row('a')]
  assert.deepEqual(await lab.store.insert(queue, rows), [
    { id: 'a', existing: false },
    { id: 'a', existing: true },
    { id: 'a', existing: true },
  ])
  assert.deepEqual(await lab.stored(), ['a'])
})

test('refuseExisting stores nothing when anything is taken, also within the call', async () => {
  const lab = new Lab()
  const refuse = { refuseExisting: true }
  await lab.insert(row('a', { uniqueKey: 'k' }))
  assert.deepEqual(
    await lab.store.insert(
      queue,
      [row('b'), row('c', { uniqueKey: 'k' }), row('b'), row('a'), row('d')],
      refuse,
    ),
    [
      { id: 'b', existing: false },
      { id: 'a', existing: true },
      { id: 'b', existing: true },
      { id: 'a', existing: true },
      { id: 'd', existing: false },
    ],
  )
  assert.deepEqual(
    await lab.store.insert(queue, [row('b'), row('b', { uniqueKey: 'k' })], refuse),
    [
      { id: 'b', existing: false },
      { id: 'b', existing: true },
    ],
    'an id earlier in the call counts before a key that is held',
  )
  assert.deepEqual(
    await lab.store.insert(
      queue,
      [row('b', { uniqueKey: 'l' }), row('c', { uniqueKey: 'l' })],
      refuse,
    ),
    [
      { id: 'b', existing: false },
      { id: 'b', existing: true },
    ],
  )
  assert.deepEqual(await lab.stored(), ['a'])
  assert.deepEqual(await lab.store.insert(queue, [row('b'), row('c')], refuse), [
    { id: 'b', existing: false },
    { id: 'c', existing: false },
  ])
})

test('a key is held until the end of its row, whatever that is', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const ends: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['done', async () => lab.settle(worker, await lab.claimOne(worker))],
    [
      'killed by its worker',
      async () =>
        lab.settle(worker, await lab.claimOne(worker), { type: 'killed', error: error() }),
    ],
    ['killed', async () => lab.store.kill(queue, 'killed', error())],
    ['removed', async () => lab.store.remove(queue, 'removed')],
    [
      'poison',
      async () => {
        for (let death = 0; death < 3; death += 1) assert.deepEqual(await lab.die(), ['poison'])
      },
    ],
  ]
  for (const [id, end] of ends) {
    await lab.insert(row(id, { uniqueKey: 'k' }))
    const late = [row('late', { uniqueKey: 'k' })]
    assert.deepEqual(await lab.store.insert(queue, late), [{ id, existing: true }])
    await end()
    assert.deepEqual(await lab.store.insert(queue, late), [{ id: 'late', existing: false }], id)
    await lab.store.remove(queue, 'late')
  }
})

test('a failed, released or running row still holds its key', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  await lab.insert(row('a', { uniqueKey: 'k' }))
  const isHeld = async (): Promise<void> =>
    assert.deepEqual(await lab.store.insert(queue, [row('b', { uniqueKey: 'k' })]), [
      { id: 'a', existing: true },
    ])
  const claimed = await lab.claimOne(worker)
  await isHeld()
  await lab.settle(worker, claimed, { type: 'failed', error: error(), retryInMs: 0 })
  await isHeld()
  await lab.settle(worker, await lab.claimOne(worker), { type: 'released', dueInMs: 10 })
  await isHeld()
})

test('a key with a time of its own is held exactly that long after the insert, in any status', async () => {
  for (const end of ['none', 'done', 'killed'] as const) {
    const lab = new Lab()
    const worker = await lab.enlist()
    await lab.insert(row('a', { uniqueKey: 'k', uniqueForMs: 1_000 }))
    lab.pass(10)
    if (end === 'done') await lab.finish(worker, 1)
    if (end === 'killed') await lab.store.kill(queue, 'a', error())
    lab.pass(989)
    const late = [row('b', { uniqueKey: 'k' })]
    assert.deepEqual(await lab.store.insert(queue, late), [{ id: 'a', existing: true }], end)
    lab.pass(1)
    assert.deepEqual(await lab.store.insert(queue, late), [{ id: 'b', existing: false }], end)
  }
})

test('removing a row frees also a key with a time of its own', async () => {
  const lab = new Lab()
  await lab.insert(row('a', { uniqueKey: 'k', uniqueForMs: 1_000 }))
  await lab.store.remove(queue, 'a')
  await lab.insert(row('b', { uniqueKey: 'k' }))
})

test('a holder whose time has passed gives way, and its later end leaves the new holder alone', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  for (const id of ['done', 'killed', 'removed']) {
    await lab.insert(row(id, { uniqueKey: id, uniqueForMs: 1_000, priority: 9 }))
    lab.pass(1_000)
    await lab.insert(row(`new ${id}`, { uniqueKey: id }))
    if (id === 'done') await lab.finish(worker, 1)
    if (id === 'killed') await lab.store.kill(queue, id, error())
    if (id === 'removed') await lab.store.remove(queue, id)
    assert.deepEqual(await lab.store.insert(queue, [row('late', { uniqueKey: id })]), [
      { id: `new ${id}`, existing: true },
    ])
  }
})

test('ids and keys belong to their queue, whatever that is called', async () => {
  const lab = new Lab()
  const names = ['__proto__', 'constructor', '', 'a:b', '{x}', 'ž']
  for (const name of names) {
    assert.deepEqual(await lab.store.insert(name, [row('toString', { uniqueKey: '__proto__' })]), [
      { id: 'toString', existing: false },
    ])
  }
  assert.deepEqual(
    (await lab.store.queues()).map(({ name }) => name),
    names,
  )
})

test('a row that cannot be ordered or copied is refused, and with it the whole call', async () => {
  const lab = new Lab()
  const cyclic: Record<string, never> = {}
  Object.assign(cyclic, { cyclic })
  for (const bad of [
    row('bad', { runAt: Number.NaN }),
    row('bad', { delayMs: Number.POSITIVE_INFINITY }),
    row('bad', { priority: Number.NaN }),
  ]) {
    await assert.rejects(
      lab.store.insert(queue, [row('good'), bad]),
      (thrown) => isBackendError(thrown) && !thrown.transient && thrown.applied === 'no',
    )
  }
  await assert.rejects(
    lab.store.insert(queue, [row('good'), row('bad', { metadata: cyclic })]),
    RangeError,
  )
  assert.deepEqual(await lab.stored(), [])
})

test('nothing passed in or given out reaches into the store', async () => {
  const lab = new Lab()
  const worker = await lab.enlist()
  const inner = { list: [1, 2] }
  const metadata = { inner, ['__proto__']: 'own' }
  const given = { ...row('a', { metadata }) }
  await lab.insert(given)
  inner.list.push(3)
  Object.assign(metadata, { more: 1 })
  Object.assign(given, { args: '"changed"' })
  const claimed = await lab.claimOne(worker)
  const cause = { name: 'Inner', message: 'i' }
  const failure = { ...error(), cause }
  await lab.settle(worker, claimed, { type: 'failed', error: failure, retryInMs: 0 })
  Object.assign(failure, { message: 'changed' })
  Object.assign(cause, { message: 'changed' })
  const before = await lab.read('a')
  assert.equal(before.args, '"a"')
  assert.deepEqual(before.metadata, { inner: { list: [1, 2] }, ['__proto__']: 'own' })
  assert.deepEqual(before.errors[0]?.cause, { name: 'Inner', message: 'i' })
  for (const copy of [claimed, before]) {
    Object.assign(copy, { args: '"changed"', priority: 9 })
    assert.throws(() => Object.assign(copy.metadata ?? {}, { more: 1 }), TypeError)
    assert.throws(() => Object.assign(copy.metadata?.['inner'] ?? {}, { list: [] }), TypeError)
    assert.throws(() => Object.assign(copy.errors, { length: 5 }), TypeError)
  }
  const after = await lab.read('a')
  assert.deepEqual([after.args, after.priority, after.errors.length], ['"a"', 0, 1])
  assert.deepEqual(ids(await lab.claim(worker)), ['a'])
})
