import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { json } from '../../src/codec/json.ts'
import { isDecodeError } from '../../src/errors/backend-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { taskId } from '../../src/task/task-id.ts'
import { assertNotPushed, assertPushed } from '../../src/testing/pushed.ts'
import type { TaskPattern } from '../../src/testing/task-pattern.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { TestWorker } from '../../src/testing/test-worker.ts'

interface Email {
  to: string
  subject?: string
  tags?: { readonly name: string; readonly level: number }[]
}

function lab() {
  const clock = new TestClock()
  const storage = new MemoryStorage({ clock })
  const emails = storage.queue('emails', { args: json<Email>(), backoff: constant('1m') })
  return { clock, storage, emails }
}

/** The message of the assertion that fails. */
async function messageOf(asserting: Promise<unknown>): Promise<string> {
  let message = ''
  await assert.rejects(asserting, (error) => {
    assert.ok(error instanceof assert.AssertionError)
    message = error.message
    return true
  })
  return message
}

test('a task is found by parts of its arguments, and given back', async () => {
  const { emails } = lab()
  await emails.push({ to: 'bob', subject: 'Hi' })
  const tags = [
    { name: 'a', level: 1 },
    { name: 'b', level: 2 },
  ]
  const id = await emails.push({ to: 'ada', subject: 'Hi', tags })
  const task = await assertPushed(emails, { args: { to: 'ada', tags: [{ name: 'a' }, {}] } })
  assert.equal(task.parts.taskId, id)
  assert.deepEqual(task.args, { to: 'ada', subject: 'Hi', tags })
  await assertNotPushed(emails, { args: { to: 'ada', tags: [{ name: 'a' }] } })
  await assertNotPushed(emails, { args: { to: 'ada', tags: [{ name: 'b' }, {}] } })
})

test('each thing that a push can say can be looked for', async () => {
  const { clock, emails } = lab()
  const runAt = new Date(clock.now() + 60_000)
  await emails.push({ to: 'ada' })
  await emails.push(
    { to: 'ada' },
    {
      id: 'task-7',
      priority: 5,
      runAt,
      unique: 'welcome:7',
      attempts: 3,
      timeout: '30s',
      metadata: { tenant: 'acme', trace: { id: 'x', depth: 1 } },
    },
  )
  const patterns: TaskPattern<Email>[] = [
    { id: 'task-7' },
    { priority: 5 },
    { runAt },
    { delay: '1m' },
    { unique: 'welcome:7' },
    { attempts: 3 },
    { timeout: 30_000 },
    { metadata: { tenant: 'acme' } },
    { metadata: { trace: { id: 'x' } } },
    { id: 'task-7', priority: 5, runAt, args: { to: 'ada' }, status: 'pending', attempt: 0 },
  ]
  for (const pattern of patterns) {
    assert.equal((await assertPushed(emails, pattern)).parts.taskId, 'task-7')
  }
  const others: TaskPattern<Email>[] = [
    { id: 'task-8' },
    { priority: 4 },
    { runAt: new Date(0) },
    { delay: '59s' },
    { unique: 'welcome:8' },
    { attempts: 4 },
    { timeout: '31s' },
    { metadata: { tenant: 'other' } },
    { metadata: { trace: { id: 'y' } } },
    { status: 'done' },
    { attempt: 1 },
    { id: 'task-7', priority: 4 },
  ]
  for (const pattern of others) await assertNotPushed(emails, pattern)
})

test('a task is found whatever became of it', async () => {
  const { emails } = lab()
  await using worker = new TestWorker(emails, (builder) =>
    builder.build(({ to }) => {
      if (to === 'bob') throw new Error('no such address')
    }),
  )
  await emails.pushBulk([{ to: 'ada' }, { to: 'bob' }])
  for await (const _end of worker.stream());
  await assertPushed(emails, { args: { to: 'ada' }, status: 'done', attempt: 1 })
  const failed = await assertPushed(emails, { args: { to: 'bob' }, status: 'failed' })
  assert.equal(failed.parts.context.errors[0]?.message, 'no such address')
})

test('without a pattern any task will do, and the oldest that matches is the answer', async () => {
  const { emails } = lab()
  await assertNotPushed(emails)
  const [first] = await emails.pushBulk([{ to: 'ada' }, { to: 'ada' }])
  assert.equal((await assertPushed(emails)).parts.taskId, first)
  assert.equal((await assertPushed(emails, { args: { to: 'ada' } })).parts.taskId, first)
})

test('what is missed is shown beside what comes nearest', async () => {
  const { emails } = lab()
  await emails.push({ to: 'bob', subject: 'Welcome' }, { id: 'far' })
  await emails.push({ to: 'ada', subject: 'Hello' }, { id: 'near', priority: 5 })
  await emails.push({ to: 'eve' }, { id: 'farther' })
  const pattern = { args: { to: 'ada', subject: 'Welcome' }, priority: 5, unique: 'welcome:7' }
  assert.equal(
    await messageOf(assertPushed(emails, pattern)),
    `no task of queue "emails" is as expected; of 3 the nearest is task near (pending):
- expected, + found

    args.to: "ada"
  - args.subject: "Welcome"
  + args.subject: "Hello"
    priority: 5
  - unique: "welcome:7"
  + unique: undefined
`,
  )
})

test('of what is equally near the youngest is shown, and the one that is named before all', async () => {
  const { emails } = lab()
  await emails.push({ to: 'ada', subject: 'Hi' }, { id: 'one', unique: 'key' })
  await emails.push({ to: 'bob', subject: 'Hi' }, { id: 'two' })
  await emails.push({ to: 'eve', subject: 'Hi' }, { id: 'three' })
  const nearest = async (pattern: TaskPattern<Email>): Promise<string | undefined> =>
    /nearest is task (\w+)/.exec(await messageOf(assertPushed(emails, pattern)))?.[1]
  assert.equal(await nearest({ args: { subject: 'Ho' } }), 'three')
  assert.equal(await nearest({ id: 'two', args: { to: 'x', subject: 'Ho' } }), 'two')
  assert.equal(
    await nearest({ unique: 'key', args: { to: 'eve', subject: 'Hi' }, priority: 1 }),
    'one',
  )
})

test('an error has both sides, for whoever shows them in another way', async () => {
  const { emails } = lab()
  await emails.push({ to: 'bob', subject: 'Hi' }, { delay: '1m' })
  await assert.rejects(assertPushed(emails, { args: { to: 'ada' }, delay: '2m' }), {
    name: 'AssertionError',
    operator: 'assertPushed',
    expected: { args: { to: 'ada' }, delay: 120_000 },
    actual: { args: { to: 'bob', subject: 'Hi' }, delay: 60_000 },
  })
})

test('long values that begin alike are shown from where they differ', async () => {
  const { emails } = lab()
  const common = 'x'.repeat(200)
  await emails.push({
    to: `${common}1`,
    tags: Array.from({ length: 12 }, () => ({ name: '', level: 0 })),
  })
  const tags = Array.from({ length: 13 }, () => ({ name: '', level: 0 }))
  const message = await messageOf(assertPushed(emails, { args: { to: `${common}2`, tags } }))
  assert.match(message, /- args\.to: …"x{20}2"\n {2}\+ args\.to: …"x{20}1"\n/)
  assert.match(message, /- args\.tags: .* \(13 items\)\n {2}\+ args\.tags: .* \(12 items\)\n/)
})

test('an empty queue says so', async () => {
  const { emails } = lab()
  assert.equal(
    await messageOf(assertPushed(emails, { args: { to: 'ada' }, priority: 5 })),
    'queue "emails" has no tasks, and one was expected: {"args": {"to": "ada"}, "priority": 5}',
  )
})

test('so many and no other number', async () => {
  const { emails } = lab()
  const ids = await emails.pushBulk([{ to: 'ada' }, { to: 'bob' }, { to: 'ada' }], {
    ids: ['a1', 'b', 'a2'],
  })
  const pattern = { args: { to: 'ada' } }
  const found = await assertPushed(emails, pattern, { count: 2 })
  assert.deepEqual(
    found.map(({ parts }) => parts.taskId),
    [ids[0], ids[2]],
  )
  assert.equal(
    await messageOf(assertPushed(emails, pattern, { count: 1 })),
    'queue "emails" has 2 tasks as expected, not 1: a1, a2',
  )
  assert.equal(
    await messageOf(assertPushed(emails, pattern, { count: 3 })),
    `queue "emails" has 2 tasks as expected, not 3: a1, a2; of 3 the nearest is task b (pending):
- expected, + found

  - args.to: "ada"
  + args.to: "bob"
`,
  )
  assert.match(
    await messageOf(assertPushed(emails, {}, { count: 4 })),
    /has 3 tasks as expected, not 4: a1, b, a2$/,
  )
  await emails.pushBulk(Array.from({ length: 7 }, () => ({ to: 'eve' })))
  assert.match(
    await messageOf(assertPushed(emails, { args: { to: 'eve' } }, { count: 1 })),
    /has 7 tasks as expected, not 1(?:[:,] \w{26}){5}, …$/,
  )
})

test('what should not be there is shown', async () => {
  const { emails } = lab()
  await emails.push({ to: 'ada', subject: 'Hi' }, { id: 'one', priority: 5 })
  assert.equal(
    await messageOf(assertNotPushed(emails, { priority: 5 })),
    `queue "emails" has a task that it should not have: task one (pending)

    priority: 5
    args: {"to": "ada", "subject": "Hi"}
`,
  )
  assert.match(await messageOf(assertNotPushed(emails)), /task one \(pending\)\n\n {4}args: \{"to"/)
  assert.doesNotMatch(await messageOf(assertNotPushed(emails, { args: { to: 'ada' } })), /subject/)
  await assert.rejects(assertNotPushed(emails, { priority: 5 }), { operator: 'assertNotPushed' })
})

test('arguments are what the schema makes of them, dates and objects of any class included', async () => {
  class Person {
    readonly name: string
    constructor(name: string) {
      this.name = name
    }
  }
  const schema = z.object({
    at: z.string().transform((text) => new Date(text)),
    by: z.string().transform((name) => new Person(name)),
    all: z.array(z.string()).transform((names) => new Set(names)),
  })
  const visits = new MemoryStorage().queue('visits', { args: json(schema) })
  await visits.push({ at: '2030-01-01', by: 'ada', all: ['a', 'b'] })
  const task = await assertPushed(visits, {
    args: { at: new Date('2030-01-01'), by: { name: 'ada' }, all: new Set(['b', 'a']) },
  })
  assert.ok(task.args.by instanceof Person)
  await assertNotPushed(visits, { args: { at: new Date('2030-01-02') } })
  await assertNotPushed(visits, { args: { by: { name: 'bob' } } })
  await assertNotPushed(visits, { args: { all: new Set(['a']) } })
})

test('arguments that cannot be read are no match, unless they do not matter', async () => {
  const { storage } = lab()
  const anything = storage.queue('mixed', { args: json<unknown>() })
  await anything.push('text', { id: 'one' })
  const strict = storage.queue('mixed', { args: json(z.object({ to: z.string() })) })
  assert.match(
    await messageOf(assertPushed(strict, { args: { to: 'ada' } })),
    /- args: \{"to": "ada"\}\n {2}\+ args: DecodeError: cannot decode/,
  )
  await assertNotPushed(strict, { args: { to: 'ada' } })
  await assert.rejects(assertPushed(strict, { id: 'one' }), isDecodeError)
  await assert.rejects(assertPushed(strict, { id: 'one' }, { count: 1 }), isDecodeError)
  assert.match(await messageOf(assertNotPushed(strict, { id: 'one' })), /args: DecodeError/)
})

test('every page is looked at, and no further than the bound', async () => {
  const { emails } = lab()
  await emails.pushBulk(Array.from({ length: 2_000 }, (_, index) => ({ to: `${index}` })))
  const { args } = await assertPushed(emails, { args: { to: '1999' } })
  assert.equal(args.to, '1999')
  assert.match(await messageOf(assertPushed(emails, { args: { to: 'x' } })), /of 2000 the nearest/)

  const [task] = await emails.listTasks()
  assert.ok(task)
  let pages = 0
  const endless = {
    name: 'endless',
    listTasks: async () => {
      pages += 1
      return Array.from({ length: 1_000 }, () => task)
    },
  }
  const left = /looked at 100000 tasks of queue "endless", and there are more/
  await assert.rejects(assertPushed(endless, { id: 'x' }), left)
  assert.equal(pages, 100)
  await assert.rejects(assertNotPushed(endless, { id: 'x' }), left)
  await assert.rejects(assertPushed(endless, { id: 'x' }, { count: 1 }), left)
  await assertPushed(endless, { id: task.parts.taskId })
})

test('circles are compared too', async () => {
  interface Ring {
    next?: Ring
    name: string
  }
  const ring = (name: string): Ring => {
    const made: Ring = { name }
    made.next = made
    return made
  }
  const codec = { encode: (value: Ring) => value.name, decode: (text: string) => ring(text) }
  const rings = new MemoryStorage().queue<Ring, Ring>('rings', { args: codec })
  await rings.push(ring('a'))
  await assertPushed(rings, { args: ring('a') })
  await assertNotPushed(rings, { args: ring('b') })
})

test('what no task can be like is refused by name and value', async () => {
  const { emails } = lab()
  const refused = async (pattern: unknown, message: RegExp): Promise<void> => {
    const isRefusal = (error: unknown): boolean =>
      error instanceof OptionError && message.test(error.message)
    await assert.rejects(assertPushed(emails, pattern as never), isRefusal)
    await assert.rejects(assertNotPushed(emails, pattern as never), isRefusal)
  }
  await refused(5, /^pattern: .*got 5$/)
  await refused({ arguments: {} }, /^pattern\.arguments: .*got an object/)
  await refused({ id: '' }, /^pattern\.id: .*got ""$/)
  await refused({ status: 'finished' }, /^pattern\.status: .*got "finished"$/)
  await refused({ priority: 1.5 }, /^pattern\.priority: .*got 1\.5$/)
  await refused({ runAt: 5 }, /^pattern\.runAt: .*got 5$/)
  await refused({ delay: '5 s' }, /^pattern\.delay: .*got "5 s"$/)
  await refused({ unique: { key: 'x' } }, /^pattern\.unique: .*got an object/)
  await refused({ metadata: 'x' }, /^pattern\.metadata: .*got "x"$/)
  await refused({ attempt: -1 }, /^pattern\.attempt: .*got -1$/)
  await refused({ attempts: 0 }, /^pattern\.attempts: .*got 0$/)
  await refused({ timeout: 0 }, /^pattern\.timeout: .*got 0$/)
  const count = (options: unknown): Promise<unknown> =>
    assertPushed(emails, {}, options as { count: number })
  await assert.rejects(count({ count: 0 }), /^OptionError: assertPushed\.count: .*got 0$/)
  await assert.rejects(count({ times: 1 }), /^OptionError: assertPushed\.times: .*got 1$/)
  await assert.rejects(assertPushed({} as never), /^OptionError: queue: .*listTasks.*got an object/)
  await assert.rejects(assertNotPushed(undefined as never), /^OptionError: queue: .*got undefined/)
})

test('the task is typed, and so is the pattern', async () => {
  const { emails } = lab()
  await emails.push({ to: 'ada' })
  const { args, parts } = await assertPushed(emails, { args: { to: 'ada' } })
  const to: string = args.to
  assert.equal(to, 'ada')
  const key: string | undefined = parts.context.uniqueKey
  assert.equal(key, undefined)
  // @ts-expect-error no such argument
  await assert.rejects(assertPushed(emails, { args: { too: 'ada' } }), assert.AssertionError)
  // @ts-expect-error it is a text
  await assert.rejects(assertPushed(emails, { args: { to: 5 } }), assert.AssertionError)
  // @ts-expect-error no status
  await assert.rejects(assertPushed(emails, { status: 'finished' }), OptionError)
  // @ts-expect-error nothing that a task has
  await assert.rejects(assertNotPushed(emails, { text: 'x' }), OptionError)
  assert.equal(taskId(parts.taskId), parts.taskId)
})
