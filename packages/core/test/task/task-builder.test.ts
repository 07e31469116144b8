import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OptionError } from '../../src/internal/validate.ts'
import type { Json } from '../../src/task/metadata.ts'
import type { Task } from '../../src/task/task.ts'
import { checkPushOptions, type PushOptions, TaskBuilder } from '../../src/task/task-builder.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import type { Duration } from '../../src/time/duration.ts'

const START = Date.UTC(2030, 0, 1)

function build(): TaskBuilder<string> {
  return new TaskBuilder('args', { clock: new TestClock() })
}

/** The option that is refused, and the whole message. */
function refusal(action: () => unknown): { readonly option: string; readonly message: string } {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof OptionError, String(error))
    return { option: error.option, message: error.message }
  }
  return assert.fail('accepted')
}

test('a built task has everything a task has', () => {
  const task: Task<string, PushOptions> = build().id('task-1').build()
  assert.deepEqual(task, {
    args: 'args',
    parts: {
      taskId: 'task-1',
      attempt: { current: 0, max: 5 },
      status: 'pending',
      runAt: new Date(START),
      metadata: {},
      timeoutMs: undefined,
      context: { id: 'task-1' },
    },
  })
})

test('each step is in the task and in what it is pushed with', () => {
  const { parts } = build()
    .id('task-123')
    .attempts(3)
    .timeout('30s')
    .runInMinutes(10)
    .priority(-7)
    .unique('welcome:42', { for: '1d' })
    .metadata('tenant', 'acme')
    .metadata('trace', { id: [1, 2] })
    .onDuplicate('throw')
    .build()
  const metadata = { tenant: 'acme', trace: { id: [1, 2] } }
  assert.deepEqual(parts, {
    taskId: 'task-123',
    attempt: { current: 0, max: 3 },
    status: 'pending',
    runAt: new Date(START + 600_000),
    metadata,
    timeoutMs: 30_000,
    context: {
      id: 'task-123',
      attempts: 3,
      timeout: 30_000,
      delay: 600_000,
      priority: -7,
      unique: { key: 'welcome:42', for: '1d' },
      metadata,
      onDuplicate: 'throw',
    },
  })
  assert.deepEqual(checkPushOptions(parts.context), {
    id: 'task-123',
    attempts: 3,
    timeoutMs: 30_000,
    delayMs: 600_000,
    priority: -7,
    uniqueKey: 'welcome:42',
    uniqueForMs: 86_400_000,
    metadata,
    onDuplicate: 'throw',
  })
})

test('steps change no builder that is there', () => {
  const base = build().id('a').metadata('n', 1)
  base.attempts(9).id('b').metadata('m', 2).delay('1h').unique('k')
  assert.deepEqual(base.build().parts.context, { id: 'a', metadata: { n: 1 } })
  assert.equal(base.priority(1).build().parts.context.priority, 1)
})

test('of the steps that say when, the last one counts', () => {
  const at = new Date(START + 5_000)
  assert.deepEqual(build().id('a').delay('1h').runAt(at).build().parts.context, {
    id: 'a',
    runAt: at,
  })
  assert.deepEqual(build().id('a').runAt(at).runInSeconds(1.5).build().parts.context, {
    id: 'a',
    delay: 1_500,
  })
  assert.equal(build().runInHours(2).build().parts.runAt.getTime(), START + 7_200_000)
  assert.equal(build().delay('2d').build().parts.runAt.getTime(), START + 172_800_000)
  assert.deepEqual(build().runAt(at).build().parts.runAt, at)
})

test('a Date or metadata that is changed later does not change the builder', () => {
  const at = new Date(START)
  const tags = ['a']
  const builder = build().runAt(at).metadata('tags', tags)
  at.setUTCFullYear(2040)
  tags.push('b')
  const { parts } = builder.build()
  assert.equal(parts.runAt.getTime(), START)
  assert.deepEqual(parts.metadata, { tags: ['a'] })
})

test('without an id, each build makes a new one', () => {
  const builder = new TaskBuilder(1)
  const first = builder.build().parts
  const second = builder.build().parts
  assert.match(first.taskId, /^[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.notEqual(first.taskId, second.taskId)
  assert.equal(first.context.id, first.taskId)
})

test('__proto__ is a metadata key like any other', () => {
  const { metadata } = build().metadata('__proto__', { admin: true }).build().parts
  assert.equal(JSON.stringify(metadata), '{"__proto__":{"admin":true}}')
  assert.equal(Object.getPrototypeOf(metadata), Object.prototype)
})

const wrong: readonly (readonly [string, (builder: TaskBuilder<string>) => unknown])[] = [
  ['id', (builder) => builder.id('')],
  ['id', (builder) => builder.id('é'.repeat(128))],
  ['attempts', (builder) => builder.attempts(0)],
  ['attempts', (builder) => builder.attempts(1_000_001)],
  ['attempts', (builder) => builder.attempts(1.5)],
  ['timeout', (builder) => builder.timeout(0)],
  ['timeout', (builder) => builder.timeout('-1s')],
  ['timeout', (builder) => builder.timeout('soon' as Duration)],
  ['runAt', (builder) => builder.runAt(new Date('nonsense'))],
  ['runAt', (builder) => builder.runAt(START as unknown as Date)],
  ['delay', (builder) => builder.delay(-1)],
  ['delay', (builder) => builder.delay('101000d')],
  ['runInSeconds', (builder) => builder.runInSeconds(-1)],
  ['runInMinutes', (builder) => builder.runInMinutes(Number.NaN)],
  ['runInHours', (builder) => builder.runInHours(1e9)],
  ['priority', (builder) => builder.priority(32_768)],
  ['priority', (builder) => builder.priority(-32_769)],
  ['priority', (builder) => builder.priority(0.5)],
  ['unique.key', (builder) => builder.unique('')],
  ['unique.key', (builder) => builder.unique('k'.repeat(256))],
  ['unique.for', (builder) => builder.unique('k', { for: 0 })],
  ['unique.fro', (builder) => builder.unique('k', { fro: '1s' } as object)],
  ['metadata key', (builder) => builder.metadata('', 1)],
  ['metadata key', (builder) => builder.metadata('a\0', 1)],
  ['metadata.at', (builder) => builder.metadata('at', new Date(0) as unknown as Json)],
  ['metadata.at', (builder) => builder.metadata('at', undefined as unknown as Json)],
  ['metadata.a[1].b', (builder) => builder.metadata('a', [1, { b: Number.NaN }])],
  ['metadata', (builder) => builder.metadata('big', 'x'.repeat(65_536))],
  ['onDuplicate', (builder) => builder.onDuplicate('replace' as 'throw')],
]

for (const [option, step] of wrong) {
  test(`refuses at once: ${step.toString().replace('(builder) => builder.', '')}`, () => {
    const { option: named, message } = refusal(() => step(build()))
    assert.equal(named, option)
    assert.ok(message.startsWith(`${option}: expected `), message)
  })
}

test('no options are no work', () => {
  assert.equal(checkPushOptions(), checkPushOptions({}))
  assert.ok(Object.isFrozen(checkPushOptions()))
  assert.deepEqual(checkPushOptions(), {})
})

test('options are checked and come back as numbers', () => {
  const runAt = new Date(START)
  const metadata = { a: [1] }
  const checked = checkPushOptions({ runAt, timeout: '1.5s', unique: 'k', metadata })
  assert.deepEqual(checked, {
    runAt: START,
    timeoutMs: 1_500,
    uniqueKey: 'k',
    metadata: { a: [1] },
  })
  metadata.a.push(2)
  assert.deepEqual(checked.metadata, { a: [1] })
  assert.deepEqual(checkPushOptions({ delay: '10m', unique: { key: 'k' } }), {
    delayMs: 600_000,
    uniqueKey: 'k',
  })
  assert.deepEqual(checkPushOptions({ unique: { key: 'k', for: 5 }, attempts: 1_000_000 }), {
    uniqueKey: 'k',
    uniqueForMs: 5,
    attempts: 1_000_000,
  })
  assert.deepEqual(checkPushOptions({ priority: 0, onDuplicate: 'existing', id: 'x' }), {
    priority: 0,
    onDuplicate: 'existing',
    id: 'x',
  })
})

test('an option that is undefined is not given', () => {
  const options = {
    id: undefined,
    delay: undefined,
    runAt: new Date(START),
  } as unknown as PushOptions
  assert.deepEqual(checkPushOptions(options), { runAt: START })
})

test('inherited options count', () => {
  assert.deepEqual(checkPushOptions(Object.create({ priority: 3 }) as PushOptions), { priority: 3 })
})

const wrongOptions: readonly (readonly [string, unknown])[] = [
  ['push', null],
  ['push', 5],
  ['push', 'high'],
  ['push.prioritty', { prioritty: 1 }],
  ['push.uniqueFor', { unique: 'k', uniqueFor: '1s' }],
  ['id', { id: 5 }],
  ['attempts', { attempts: '3' }],
  ['attempts', { attempts: null }],
  ['timeout', { timeout: Infinity }],
  ['delay', { delay: 1, runAt: new Date(START) }],
  ['delay', { delay: '10 minutes' }],
  ['runAt', { runAt: '2030-01-01' }],
  ['runAt', { runAt: new Date(8.64e15) }],
  ['priority', { priority: Number.NaN }],
  ['unique', { unique: '' }],
  ['unique', { unique: 5 }],
  ['unique.key', { unique: {} }],
  ['unique.until', { unique: { key: 'k', until: 5 } }],
  ['metadata', { metadata: [] }],
  ['metadata', { metadata: 'x' }],
  ['metadata', { metadata: new Map() }],
  ['metadata["a b"]', { metadata: { 'a b': 1n } }],
  ['onDuplicate', { onDuplicate: true }],
]

for (const [option, options] of wrongOptions) {
  test(`refuses ${option} of ${JSON.stringify(options, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`, () => {
    assert.equal(refusal(() => checkPushOptions(options as PushOptions)).option, option)
  })
}
