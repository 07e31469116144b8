import assert from 'node:assert/strict'
import type { CaseDefinition } from './definition.ts'
import {
  claim,
  claimOne,
  enlist,
  ids,
  insert,
  newRow,
  queue,
  read,
  settle,
  stored,
} from './store-kit.ts'

/** `insert`, ids and unique keys, of the store itself. */
export const insertPrimitives: readonly CaseDefinition[] = [
  {
    name: 'insert keeps every field of a row, and `get` and `list` give it back',
    async run(world) {
      const store = await world.store()
      const full = newRow('full', {
        args: JSON.stringify({ text: 'žluťoučký 🐎 "\\\n', nested: [null, {}, []] }),
        priority: -7,
        attempts: 9,
        runAt: world.harness.clock.now() + 3_600_000,
        timeoutMs: 1_500,
        uniqueKey: 'key ✓',
        metadata: { trace: 'abc', deep: { list: [1, null, 'x'] } },
      })
      await store.insert(queue, [full, newRow('plain')])
      const [row, missing, plain] = await store.get(queue, ['full', 'missing', 'plain'])
      assert.equal(missing, undefined)
      assert.ok(row)
      assert.ok(plain)
      const { id, args, priority, attempts, runAt, timeoutMs, uniqueKey, metadata } = row
      assert.deepEqual(
        { id, args, priority, attempts, runAt, timeoutMs, uniqueKey, metadata },
        full,
      )
      assert.equal(row.status, 'pending')
      assert.deepEqual([row.attempt, row.epoch, row.rescues, row.releases], [0, 0, 0, 0])
      assert.deepEqual(row.errors, [])
      assert.deepEqual(
        [row.lockedBy, row.lockedAt, row.finishedAt, row.result],
        [undefined, undefined, undefined, undefined],
      )
      assert.deepEqual(
        [plain.timeoutMs, plain.uniqueKey, plain.priority],
        [undefined, undefined, 0],
      )
      assert.deepEqual(plain.metadata ?? {}, {})
      assert.deepEqual(await store.list(queue, { offset: 0, limit: 10 }), [row, plain])
    },
  },
  {
    name: 'args and results are text of any kind, kept to the last character',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const texts = [
        '',
        ' no JSON at all: \r\n\t\u0001\u007f \u2028 🐎',
        '{"b":  1, "a": 2, "b": 3.0e0}',
        '"\\u0000 \\ud800"',
        `"${'ž'.repeat(400_000)}"`,
      ]
      for (const [index, args] of texts.entries()) {
        await store.insert(queue, [newRow(`task-${index}`, { args })])
        const row = await claimOne(store, worker)
        assert.equal(row.args, args)
        await settle(store, worker, row, { type: 'done', result: args })
        const done = await read(store, row.id)
        assert.deepEqual([done.args, done.result], [args, args])
      }
    },
  },
  {
    name: 'metadata comes back as it was, whatever text stands in it',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const texts = ['\0', '\uD83E', '\uDD89', '\u0001\n"\\', '🦉', '']
      const metadata = { texts, within: Object.fromEntries(texts.map((text) => [text, text])) }
      await store.insert(queue, [newRow('a', { metadata }), newRow('b')])
      await store.update(queue, 'b', { metadata })
      for (const id of ['a', 'b']) {
        assert.deepEqual((await read(store, id)).metadata, metadata)
        assert.deepEqual((await claimOne(store, worker)).metadata, metadata)
      }
    },
  },
  {
    name: "what went in and what came out are the caller's: changing them changes nothing that is stored",
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const metadata = { deep: { list: [1] } }
      const changes = { metadata: { deep: { list: [2] } } }
      const error = stored('e')
      await store.insert(queue, [newRow('a', { metadata })])
      metadata.deep.list.push(3)
      spoil(await read(store, 'a'))
      assert.deepEqual((await read(store, 'a')).metadata, { deep: { list: [1] } })
      await store.update(queue, 'a', changes)
      changes.metadata.deep.list.push(3)
      const row = await claimOne(store, worker)
      const { id, epoch } = row
      spoil(row)
      const outcome = { type: 'failed', error, retryInMs: 0 } as const
      await store.settle(worker, [{ id, epoch, outcome }])
      Object.assign(error, { message: 'another' })
      for (const one of await store.list(queue, { offset: 0, limit: 1 })) spoil(one)
      for (const one of await store.watch(queue, ['a'])) if (one !== undefined) spoil(one)
      const after = await read(store, 'a')
      assert.deepEqual(
        [after.args, after.metadata, after.errors.map(({ message }) => message)],
        ['"a"', { deep: { list: [2] } }, ['e']],
      )
    },
  },
  {
    name: 'a row without runAt and delay is due when it was inserted; a delay counts from the insert',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [newRow('now'), newRow('later', { delayMs: 60_000 })])
      const now = await read(store, 'now')
      const later = await read(store, 'later')
      assert.equal(now.runAt, now.createdAt)
      assert.ok(Math.abs(later.runAt - later.createdAt - 60_000) <= 1, `${later.runAt}`)
    },
  },
  {
    name: 'insert answers in order, and a taken id gives itself and changes nothing',
    async run(world) {
      const store = await world.store()
      assert.deepEqual(await store.insert(queue, [newRow('a'), newRow('b')]), [
        { id: 'a', existing: false },
        { id: 'b', existing: false },
      ])
      const before = await read(store, 'b')
      assert.deepEqual(
        await store.insert(queue, [
          newRow('c'),
          newRow('b', { args: '"other"', priority: 9, uniqueKey: 'k' }),
          newRow('d', { uniqueKey: 'k' }),
          newRow('d', { args: '"other"' }),
        ]),
        [
          { id: 'c', existing: false },
          { id: 'b', existing: true },
          { id: 'd', existing: false },
          { id: 'd', existing: true },
        ],
      )
      assert.deepEqual(await read(store, 'b'), before)
      assert.equal((await read(store, 'd')).args, '"d"')
      assert.deepEqual(ids(await store.list(queue, { offset: 0, limit: 10 })), ['a', 'b', 'c', 'd'])
    },
  },
  {
    name: 'a finished row still holds its id, a removed one does not',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      await insert(store, 'a')
      await settle(store, worker, await claimOne(store, worker))
      assert.deepEqual(await store.insert(queue, [newRow('a')]), [{ id: 'a', existing: true }])
      assert.equal((await read(store, 'a')).status, 'done')
      assert.deepEqual(await store.remove(queue, 'a'), { changed: true })
      assert.deepEqual(await store.insert(queue, [newRow('a')]), [{ id: 'a', existing: false }])
      assert.equal((await read(store, 'a')).status, 'pending')
    },
  },
  {
    name: 'a held unique key gives the holder, also one that stands earlier in the same call',
    async run(world) {
      const store = await world.store()
      assert.deepEqual(
        await store.insert(queue, [
          newRow('a', { uniqueKey: 'k' }),
          newRow('b', { uniqueKey: 'k' }),
          newRow('c', { uniqueKey: 'other' }),
        ]),
        [
          { id: 'a', existing: false },
          { id: 'a', existing: true },
          { id: 'c', existing: false },
        ],
      )
      assert.deepEqual(
        await store.insert(queue, [
          newRow('d', { uniqueKey: 'k' }),
          newRow('c', { uniqueKey: 'k' }),
        ]),
        [
          { id: 'a', existing: true },
          // Its own id counts before the key.
          { id: 'c', existing: true },
        ],
      )
      assert.deepEqual(ids(await store.list(queue, { offset: 0, limit: 10 })), ['a', 'c'])
    },
  },
  {
    name: 'refuseExisting stores nothing at all when an id or a key is taken',
    async run(world) {
      const store = await world.store()
      await store.insert(queue, [newRow('a', { uniqueKey: 'k' })])
      const byKey = await store.insert(queue, [newRow('b'), newRow('c', { uniqueKey: 'k' })], {
        refuseExisting: true,
      })
      assert.deepEqual(byKey[1], { id: 'a', existing: true })
      const byId = await store.insert(queue, [newRow('b'), newRow('a')], { refuseExisting: true })
      assert.deepEqual(byId[1], { id: 'a', existing: true })
      const byBoth = await store.insert(queue, [newRow('b'), newRow('b', { uniqueKey: 'k' })], {
        refuseExisting: true,
      })
      assert.deepEqual(byBoth[1], { id: 'b', existing: true })
      assert.deepEqual(ids(await store.list(queue, { offset: 0, limit: 10 })), ['a'])
      const free = await store.insert(queue, [newRow('b'), newRow('c')], { refuseExisting: true })
      assert.deepEqual(free, [
        { id: 'b', existing: false },
        { id: 'c', existing: false },
      ])
    },
  },
  {
    name: 'a unique key is free once its task is done, killed or removed, and while it failed it is not',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const holderOf = async (id: string): Promise<string | undefined> =>
        (await store.insert(queue, [newRow(id, { uniqueKey: 'k' })]))[0]?.id
      assert.equal(await holderOf('a'), 'a')
      const first = await claimOne(store, worker)
      assert.equal(await holderOf('x'), 'a')
      await settle(store, worker, first, { type: 'failed', error: stored('e'), retryInMs: 0 })
      assert.equal(await holderOf('x'), 'a')
      await settle(store, worker, await claimOne(store, worker))
      assert.equal(await holderOf('b'), 'b')
      await settle(store, worker, await claimOne(store, worker), {
        type: 'killed',
        error: stored('e'),
      })
      assert.equal(await holderOf('c'), 'c')
      assert.equal(await store.kill(queue, 'c', stored('e')), true)
      assert.equal(await holderOf('d'), 'd')
      await store.remove(queue, 'd')
      assert.equal(await holderOf('e'), 'e')
    },
  },
  {
    name: 'a unique key with a time of its own is held for that long, whatever becomes of the task',
    async run(world) {
      const store = await world.store()
      const worker = await enlist(store, 'w')
      const holderOf = async (id: string): Promise<string | undefined> =>
        (await store.insert(queue, [newRow(id, { uniqueKey: 'k', uniqueForMs: 60_000 })]))[0]?.id
      assert.equal(await holderOf('a'), 'a')
      await settle(store, worker, await claimOne(store, worker))
      await world.advance(50_000, { step: 10_000 })
      assert.equal(await holderOf('b'), 'a')
      await world.advance(15_000, { step: 5_000 })
      assert.equal(await holderOf('b'), 'b')
      // The first is long done, and b is not: b holds the key for its own minute only.
      await world.advance(65_000, { step: 5_000 })
      assert.equal(await holderOf('c'), 'c')
      assert.equal((await read(store, 'b')).status, 'pending')
    },
  },
  {
    name: 'ids and unique keys belong to their queue, and any text is a queue',
    async run(world) {
      const store = await world.store()
      const names = [
        'a',
        'a:b',
        "x'; DROP TABLE tasks; --",
        '{tag}',
        '*',
        'a%_',
        'fronta úloh ✓',
        ' ',
        'q'.repeat(255),
      ]
      for (const name of names) {
        assert.deepEqual(
          await store.insert(name, [
            newRow('same', { uniqueKey: 'k', args: JSON.stringify(name) }),
          ]),
          [{ id: 'same', existing: false }],
        )
      }
      for (const name of names) {
        const worker = await enlist(store, `worker of ${names.indexOf(name)}`, name)
        const rows = await claim(store, worker)
        assert.deepEqual(
          rows.map(({ id, args }) => [id, args]),
          [['same', JSON.stringify(name)]],
        )
      }
      const known = new Set((await store.queues()).map(({ name }) => name))
      assert.deepEqual(
        names.filter((name) => !known.has(name)),
        [],
      )
    },
  },
]

/** Does to a row all that its types forbid; where it is frozen, that throws. */
function spoil(row: { readonly metadata?: unknown; readonly errors: readonly unknown[] }): void {
  const { metadata } = row as { readonly metadata?: { readonly deep: { readonly list: number[] } } }
  for (const change of [
    () => Object.assign(row, { args: 'spoiled' }),
    () => metadata?.deep.list.push(4),
    () => Object.assign(row.errors, { 0: { name: 'Error', message: 'spoiled' } }),
    () => Object.assign(row.errors[0] ?? {}, { message: 'spoiled' }),
  ]) {
    try {
      change()
    } catch (thrown) {
      assert.ok(thrown instanceof TypeError)
    }
  }
}
