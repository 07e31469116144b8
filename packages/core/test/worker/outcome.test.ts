import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../src/backend/backend.ts'
import {
  AbortError,
  CircuitOpenError,
  DeferredError,
  InterruptedError,
  OverloadedError,
  RateLimitedError,
  RetryAfterError,
  TimeoutError,
} from '../../src/errors/task-errors.ts'
import { type Backoff, constant } from '../../src/task/backoff.ts'
import type { Parts } from '../../src/task/task.ts'
import { taskId } from '../../src/task/task-id.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { type FailureRules, failureOutcome } from '../../src/worker/outcome.ts'

interface Case {
  readonly error: unknown
  readonly attempt?: number
  readonly began?: boolean
  readonly reason?: unknown
  readonly releases?: number
  readonly rules?: Partial<FailureRules>
}

function outcomeOf({ error, attempt = 1, began = true, reason, releases = 0, rules }: Case) {
  const parts: Parts = {
    taskId: taskId('task'),
    attempt: { current: attempt, max: 3 },
    status: 'running',
    runAt: new Date(0),
    metadata: {},
    timeoutMs: undefined,
    context: { releases },
  }
  return failureOutcome(
    { task: { args: {}, parts }, error, began, reason },
    {
      backoff: constant(700),
      maxReleases: 10,
      onBackoffError: (failure) => {
        throw failure
      },
      clock: new TestClock(1_000),
      inTime: (promise) => promise,
      ...rules,
    },
  )
}

function expect(name: string, run: Case, expected: Outcome<never>): void {
  test(name, async () => {
    assert.deepEqual(await outcomeOf(run), expected)
  })
}

const error = new Error('no luck')
expect('an error waits for the backoff', { error }, { type: 'failed', error, retryIn: 700 })
expect('the last attempt kills', { error, attempt: 3 }, { type: 'killed', error })
expect(
  'anything that is thrown fails the attempt',
  { error: undefined },
  { type: 'failed', error: undefined, retryIn: 700 },
)
const timeout = new TimeoutError('it', 5)
expect(
  'a timeout is an error',
  { error: timeout },
  { type: 'failed', error: timeout, retryIn: 700 },
)

const abort = new AbortError('never')
expect('an AbortError kills', { error: abort }, { type: 'killed', error: abort })
const platform = new DOMException('aborted', 'AbortError')
expect(
  "the platform's AbortError is an error like any other",
  { error: platform },
  { type: 'failed', error: platform, retryIn: 700 },
)

const after = new RetryAfterError('later', '5m')
expect(
  'a RetryAfterError says how long',
  { error: after },
  { type: 'failed', error: after, retryIn: 300_000 },
)
expect('and uses attempts up', { error: after, attempt: 3 }, { type: 'killed', error: after })
const snooze = new RetryAfterError('later', '5m', { countAttempt: false })
expect(
  'a snooze is released, whatever attempts are left',
  { error: snooze, attempt: 3 },
  { type: 'released', dueIn: 300_000, error: snooze },
)
const hot = new RetryAfterError('now', 0, { countAttempt: false })
expect(
  'a snooze waits at least 100 ms',
  { error: hot },
  { type: 'released', dueIn: 100, error: hot },
)
expect(
  'too many releases in a row fail the attempt',
  { error: snooze, releases: 10 },
  { type: 'failed', error: snooze, retryIn: 700 },
)

const deferred = new DeferredError('again')
expect(
  'a DeferredError is due at once',
  { error: deferred },
  { type: 'failed', error: deferred, retryIn: 0 },
)
expect(
  'but only while attempts are left',
  { error: deferred, attempt: 3 },
  {
    type: 'killed',
    error: deferred,
  },
)

for (const refusal of [
  new OverloadedError('full', { retryIn: 400 }),
  new RateLimitedError('slow', { retryAt: new Date(1_400) }),
  new CircuitOpenError('open', { retryIn: 400 }),
]) {
  expect(
    `${refusal.name} before the handler began releases`,
    { error: refusal, began: false },
    { type: 'released', dueIn: 400, error: refusal },
  )
  expect(
    `${refusal.name} after it began fails the attempt, and says when to try again`,
    { error: refusal },
    { type: 'failed', error: refusal, retryIn: 400 },
  )
}
const vague = new OverloadedError()
test('a refusal that does not say until when waits a second, with jitter', () => {
  const outcome = outcomeOf({ error: vague, began: false })
  assert.ok(!(outcome instanceof Promise) && outcome.type === 'released')
  assert.ok(outcome.dueIn >= 500 && outcome.dueIn <= 1_500, String(outcome.dueIn))
})

for (const thrown of [error, abort, new InterruptedError()]) {
  expect(
    `whatever is thrown after the shutdown deadline releases: ${thrown.name}`,
    { error: thrown, reason: new InterruptedError() },
    { type: 'released', dueIn: 0 },
  )
}

expect(
  'a backoff that answers nothing kills',
  { error, rules: { backoff: () => undefined } },
  { type: 'killed', error },
)
expect(
  'a backoff may answer later, in any notation',
  { error, rules: { backoff: async () => '2s' as const } },
  { type: 'failed', error, retryIn: 2_000 },
)

const broken: Readonly<Record<string, Backoff>> = {
  throws: () => {
    throw new Error('bad backoff')
  },
  rejects: async () => {
    throw new Error('bad backoff')
  },
  'answers nonsense': () => -5,
}
for (const [name, backoff] of Object.entries(broken)) {
  test(`a backoff that ${name} is reported and replaced by the default`, async () => {
    const failures: unknown[] = []
    const rules = { backoff, onBackoffError: (failure: unknown) => failures.push(failure) }
    const outcome = await outcomeOf({ error, rules })
    assert.ok(outcome.type === 'failed' && outcome.retryIn >= 0 && outcome.retryIn <= 1_000)
    assert.equal(failures.length, 1)
  })
}

for (const [name, foreign] of Object.entries({
  'a rate limit of somebody else': { code: 'ERR_RATE_LIMITED', retryAt: 5_000 },
  'one with a date that is none': { code: 'ERR_OVERLOADED', retryAt: new Date(Number.NaN) },
  'one with text for a number': { code: 'ERR_CIRCUIT_OPEN', retryInMs: 'soon' },
  'a retry after nothing': { code: 'ERR_TASK_RETRY_AFTER' },
  'a retry after text': { code: 'ERR_TASK_RETRY_AFTER', countAttempt: true, delayMs: '5' },
  'a retry in the past': { code: 'ERR_TASK_RETRY_AFTER', countAttempt: false, delayMs: -5 },
})) {
  expect(
    `what an error lacks is not made up: ${name} waits for the backoff`,
    { error: foreign },
    { type: 'failed', error: foreign, retryIn: 700 },
  )
}

class Thenable {
  // oxlint-disable-next-line unicorn/no-thenable -- other libraries make such
  then(resolve: (delay: number) => void): void {
    resolve(300)
  }
}
expect(
  'a backoff may answer with a thenable',
  { error, rules: { backoff: () => new Thenable() as unknown as Promise<number> } },
  { type: 'failed', error, retryIn: 300 },
)
