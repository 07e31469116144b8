import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as backend from '../../src/errors/backend-errors.ts'
import * as ofTasks from '../../src/errors/task-errors.ts'
import * as ofWorkers from '../../src/errors/worker-errors.ts'
import { ApalisError, hasCode } from '../../src/internal/apalis-error.ts'
import { OptionError } from '../../src/internal/validate.ts'

type Guard = (error: unknown) => boolean

const guards: Readonly<Record<string, Guard>> = Object.fromEntries(
  [backend, ofTasks, ofWorkers]
    .flatMap((module) => Object.entries(module as Readonly<Record<string, unknown>>))
    .filter((entry): entry is [string, Guard] => /^is[A-Z]/.test(entry[0])),
)

const cases: readonly (readonly [guard: string | undefined, code: string, error: ApalisError])[] = [
  ['isAbortError', 'ERR_TASK_ABORT', new ofTasks.AbortError('x')],
  ['isRetryAfterError', 'ERR_TASK_RETRY_AFTER', new ofTasks.RetryAfterError('x', '1s')],
  ['isDeferredError', 'ERR_TASK_DEFERRED', new ofTasks.DeferredError('x')],
  ['isTimeoutError', 'ERR_TASK_TIMEOUT', new ofTasks.TimeoutError('task a', 5)],
  ['isInterruptedError', 'ERR_TASK_INTERRUPTED', new ofTasks.InterruptedError()],
  ['isTaskKilledError', 'ERR_TASK_KILLED', new ofTasks.TaskKilledError('a')],
  ['isLeaseLostError', 'ERR_LEASE_LOST', new ofTasks.LeaseLostError('w')],
  ['isRefusal', 'ERR_OVERLOADED', new ofTasks.OverloadedError()],
  ['isRefusal', 'ERR_RATE_LIMITED', new ofTasks.RateLimitedError()],
  ['isRefusal', 'ERR_CIRCUIT_OPEN', new ofTasks.CircuitOpenError()],
  ['isBackendError', 'ERR_BACKEND', new backend.BackendError('claim', 'no host')],
  ['isUnknownOutcomeError', 'ERR_UNKNOWN_OUTCOME', new backend.UnknownOutcomeError(['a'])],
  ['isEncodeError', 'ERR_ENCODE', new backend.EncodeError('x')],
  ['isDecodeError', 'ERR_DECODE', new backend.DecodeError('x')],
  ['isDuplicateTaskError', 'ERR_TASK_DUPLICATE', new backend.DuplicateTaskError('x', 'a')],
  ['isTaskGoneError', 'ERR_TASK_GONE', new backend.TaskGoneError('a')],
  ['isWorkerError', 'ERR_WORKER', new ofWorkers.WorkerError('w', 'x')],
  [
    'isWorkerStateError',
    'ERR_WORKER_STATE',
    new ofWorkers.WorkerStateError('w', 'pause', 'stopped'),
  ],
  ['isMonitorError', 'ERR_MONITOR', new ofWorkers.MonitorError([new Error('x')])],
  [undefined, 'ERR_TASK_POISON', new ofTasks.PoisonError(3)],
  [undefined, 'ERR_LAYER', new ofTasks.LayerError('x')],
  ['isTaskStateError', 'ERR_TASK_STATE', new backend.TaskStateError('remove', 'a', 'running')],
  [undefined, 'ERR_OPTION', new OptionError('n', 1, 'x')],
]

function guardsThatSayYes(error: unknown): string[] {
  return Object.keys(guards).filter((name) => guards[name]?.(error) === true)
}

for (const [guard, code, error] of cases) {
  test(`${error.constructor.name} is told by its code, across two copies of the package`, () => {
    assert.ok(error instanceof ApalisError)
    assert.equal(error.code, code)
    assert.equal(error.name, error.constructor.name)
    const expected = guard === undefined ? [] : [guard]
    assert.deepEqual(guardsThatSayYes(error), expected)
    assert.deepEqual(guardsThatSayYes({ code }), expected)
    assert.deepEqual(guardsThatSayYes(Object.assign(new Error('copy'), { code })), expected)
  })
}

test('every guard has a case', () => {
  const known = new Set(cases.map(([guard]) => guard))
  assert.deepEqual(
    Object.keys(guards).filter((name) => !known.has(name)),
    [],
  )
})

test('nothing else passes a guard, and none of them throws', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const throwing = {
    get code(): never {
      throw new Error('from a getter')
    },
  }
  const aborted = AbortSignal.abort()
  const others: unknown[] = [undefined, null, 5, 'ERR_TASK_ABORT', Symbol('s'), () => 1, {}, proxy]
  others.push(throwing, new Error('x'), { code: 20 }, { name: 'AbortError' }, aborted.reason)
  others.push(new DOMException('stopped', 'AbortError'), new DOMException('late', 'TimeoutError'))
  others.push(Object.assign(() => 1, { code: 'ERR_TASK_ABORT' }))
  for (const error of others) assert.deepEqual(guardsThatSayYes(error), [])
  assert.equal(hasCode(proxy, 'ERR_BACKEND'), false)
})

test('the three of a handler take a message or a cause', () => {
  const cause = new Error('no such user')
  const abort = new ofTasks.AbortError(cause)
  assert.deepEqual([abort.message, abort.cause], ['no such user', cause])
  const text = new ofTasks.DeferredError('again')
  assert.deepEqual([text.message, Object.hasOwn(text, 'cause')], ['again', false])
  const later = new ofTasks.RetryAfterError('busy', '5m', { countAttempt: false })
  assert.deepEqual([later.delayMs, later.countAttempt], [300_000, false])
  assert.equal(new ofTasks.RetryAfterError('busy', 1).countAttempt, true)
  assert.throws(() => new ofTasks.RetryAfterError('busy', -1), OptionError)
  assert.equal(new ofTasks.AbortError({ a: 1 }).cause instanceof Object, true)
})

test('a subclass of one’s own keeps the code and has its own name', () => {
  class GoneError extends ofTasks.AbortError {}
  const error = new GoneError('x')
  assert.equal(error.name, 'GoneError')
  assert.ok(ofTasks.isAbortError(error))
})

test('whatever a storage throws is a BackendError of the operation', () => {
  const known = new backend.BackendError('settle', 'locked', { transient: false, applied: 'no' })
  assert.equal(backend.BackendError.from('claim', known), known)
  const cause = new Error('ECONNREFUSED')
  const error = backend.BackendError.from('claim', cause)
  assert.deepEqual(
    [error.message, error.operation, error.transient, error.applied, error.cause],
    ['cannot claim: ECONNREFUSED', 'claim', true, 'unknown', cause],
  )
  assert.equal(backend.BackendError.from('beat', 'down').message, 'cannot beat: down')
})
