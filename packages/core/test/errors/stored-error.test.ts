import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { DecodeError, EncodeError } from '../../src/errors/backend-errors.ts'
import { type StoredError, toStoredError } from '../../src/errors/stored-error.ts'
import { AbortError } from '../../src/errors/task-errors.ts'

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function throwing(): never {
  throw new Error('from a trap')
}

const hostileProxy = new Proxy(new Error('target'), {
  get: throwing,
  getPrototypeOf: throwing,
  has: throwing,
  ownKeys: throwing,
})

function hostileGetters(): Error {
  const error = new Error('x')
  for (const key of ['name', 'message', 'stack', 'cause', 'code', 'issues', 'errors']) {
    Object.defineProperty(error, key, { get: throwing })
  }
  return error
}

const cyclicObject: Record<string, unknown> = { a: 1 }
cyclicObject['self'] = cyclicObject

const anything: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  text: 'boom',
  'empty text': '',
  number: 42,
  'minus zero': -0,
  bigint: 10n,
  'large bigint': 2n ** 4_000n,
  symbol: Symbol('s'),
  function: throwing,
  array: [1, [2, [3, [4, [5]]]]],
  object: { reason: 'r' },
  cyclic: cyclicObject,
  frozen: Object.freeze(new Error('frozen')),
  'null prototype': Object.create(null),
  date: new Date(Number.NaN),
  'throwing getter': {
    fine: 1,
    get bad() {
      return throwing()
    },
  },
  'throwing toString': { toString: throwing, toJSON: throwing, [Symbol.toPrimitive]: throwing },
  'revoked proxy': revoked({}),
  'revoked proxy of an error': revoked(new Error('x')),
  'revoked proxy of an array': [revoked([])],
  'hostile proxy': hostileProxy,
  'error with hostile getters': hostileGetters(),
  'error with odd properties': Object.assign(new Error('x'), {
    name: Symbol('n'),
    message: { toString: throwing },
    stack: 5,
    code: 7,
    cause: hostileProxy,
  }),
  'aggregate of hostile': new AggregateError([hostileProxy, revoked({})]),
  'aggregate with odd errors': Object.assign(new AggregateError([]), { errors: 5 }),
  'encode error with odd issues': Object.assign(new EncodeError('x'), { issues: [null] }),
  'platform abort': new DOMException('stopped', 'AbortError'),
}

function assertStorable(stored: StoredError, depth = 0): void {
  assert.ok(depth <= 5, 'at most five causes')
  const limits = { name: 255, message: 8_192, stack: 16_384, code: 255 } as const
  for (const [key, limit] of Object.entries(limits)) {
    const value = stored[key as keyof typeof limits]
    if (value === undefined) {
      assert.ok(!Object.hasOwn(stored, key), `${key} is absent rather than undefined`)
      continue
    }
    assert.equal(typeof value, 'string', key)
    assert.ok(Buffer.byteLength(value) <= limit, `${key} has ${Buffer.byteLength(value)} bytes`)
    assert.ok(value.isWellFormed() && !value.includes('\0'), `${key} can be stored`)
  }
  assert.ok(stored.name.length > 0)
  if (stored.cause !== undefined) assertStorable(stored.cause, depth + 1)
}

for (const [name, thrown] of Object.entries(anything)) {
  test(`makes ${name} storable`, () => {
    assertStorable(toStoredError(thrown))
  })
}

test('an Error keeps name, message, stack and a code of text', () => {
  const error = Object.assign(new RangeError('too far'), { code: 'E_FAR' })
  assert.deepEqual(toStoredError(error), {
    name: 'RangeError',
    message: 'too far',
    stack: error.stack,
    code: 'E_FAR',
  })
  assert.equal(toStoredError(Object.assign(new Error('x'), { code: 5 })).code, undefined)
  const aborted = toStoredError(new AbortError('never'))
  assert.deepEqual([aborted.name, aborted.code], ['AbortError', 'ERR_TASK_ABORT'])
})

test('the platform error keeps its name and loses its numeric code', () => {
  const stored = toStoredError(new DOMException('stopped', 'AbortError'))
  assert.deepEqual([stored.name, stored.message, stored.code], ['AbortError', 'stopped', undefined])
})

test('an Error of another realm is an Error', () => {
  const error: unknown = runInContext('new TypeError("elsewhere")', createContext())
  const stored = toStoredError(error)
  assert.deepEqual([stored.name, stored.message], ['TypeError', 'elsewhere'])
})

test('what is no Error is shown in a message', () => {
  const shown = (thrown: unknown): string => {
    const { name, message, ...rest } = toStoredError(thrown)
    assert.equal(name, 'NonError')
    assert.deepEqual(rest, {})
    return message
  }
  assert.equal(shown('boom'), 'boom')
  assert.equal(shown(undefined), 'undefined')
  assert.equal(shown(null), 'null')
  assert.equal(shown(-0), '-0')
  assert.equal(shown(10n), '10n')
  assert.equal(shown(2n ** 4_000n), 'a large bigint')
  assert.equal(shown(Symbol('s')), 'Symbol(s)')
  assert.equal(shown(throwing), 'a function')
  assert.equal(shown({ status: 404, at: ['a', null] }), '{"status": 404, "at": ["a", null]}')
  assert.equal(shown([1, [2, [3, [4]]]]), '[1, [2, [3, […]]]]')
  assert.equal(shown(cyclicObject), '{"a": 1, "self": {"a": 1, "self": {"a": 1, "self": {…}}}}')
  assert.equal(shown(new Map([[1, 2]])), 'Map {}')
  assert.equal(shown(anything['throwing getter']), '{"fine": 1, "bad": …}')
  assert.equal(shown(revoked({})), 'a value that cannot be read')
  assert.equal(shown(hostileProxy), 'a value that cannot be read')
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, 'v']))
  assert.match(shown(many), /"k9": "v", …\}$/)
})

test('causes are kept five deep, of any kind, and a circle ends', () => {
  let error = new Error('level 9')
  for (let level = 8; level >= 0; level -= 1) error = new Error(`level ${level}`, { cause: error })
  const messages: string[] = []
  for (let at: StoredError | undefined = toStoredError(error); at !== undefined; at = at.cause) {
    messages.push(at.message)
  }
  assert.deepEqual(
    messages,
    [0, 1, 2, 3, 4, 5].map((level) => `level ${level}`),
  )

  const own = new Error('own cause')
  own.cause = own
  assert.equal(toStoredError(own).cause, undefined)
  const first = new Error('first')
  first.cause = new Error('second', { cause: first })
  assert.equal(toStoredError(first).cause?.message, 'second')
  assert.equal(toStoredError(first).cause?.cause, undefined)

  assert.deepEqual(toStoredError(new Error('x', { cause: 'why' })).cause, {
    name: 'NonError',
    message: 'why',
  })
  assert.ok(!Object.hasOwn(toStoredError(new Error('x', { cause: null })), 'cause'))
})

test('NUL and lone surrogates are replaced, pairs are not', () => {
  const stored = toStoredError(new Error('a\0b\uD800c\uDC00d\u{1F600}'))
  assert.equal(stored.message, 'a\uFFFDb\uFFFDc\uFFFDd\u{1F600}')
  assert.ok(stored.stack?.includes('a\uFFFDb\uFFFDc'))
})

test('long text is cut between characters, and says so', () => {
  for (const unit of ['a', 'é', '€', '\u{1F600}', '\uD800', '\0', 'a\u{1F600}€é']) {
    const stored = toStoredError(new Error(unit.repeat(9_000)))
    assertStorable(stored)
    assert.ok(Buffer.byteLength(stored.message) > 8_192 - 8, 'uses the room there is')
    assert.ok(stored.message.endsWith('…'))
    if (unit.isWellFormed() && unit !== '\0') assert.ok(!stored.message.includes('\uFFFD'))
  }
  const exact = 'é'.repeat(4_096)
  assert.equal(toStoredError(new Error(exact)).message, exact)
  const names = toStoredError(
    Object.assign(new Error('x'), { name: 'n'.repeat(300), code: 'c'.repeat(300) }),
  )
  assert.equal(names.name, `${'n'.repeat(252)}…`)
  assert.equal(names.code, `${'c'.repeat(252)}…`)
})

test('a message of 50 MB is cut, and the frames of its stack are kept', () => {
  const stored = toStoredError(new Error('x'.repeat(50_000_000)))
  assertStorable(stored)
  assert.match(stored.stack ?? '', /^Error: x{2048}…\n +at .*stored-error\.test\.ts/)
})

test('a stack without the message is cut like any text', () => {
  const error = Object.assign(new Error('m'.repeat(10_000)), { stack: 's'.repeat(20_000) })
  const stored = toStoredError(error)
  assert.equal(stored.stack, `${'s'.repeat(16_381)}…`)
})

test('the issues of a schema are in the message once', () => {
  const issues = [
    { path: 'to', message: 'not an address' },
    { path: '', message: 'too many keys' },
  ]
  assert.equal(
    toStoredError(new DecodeError('does not fit', { issues })).message,
    'does not fit (to: not an address; too many keys)',
  )
  assert.equal(
    toStoredError(new EncodeError('to: not an address; too many keys', { issues })).message,
    'to: not an address; too many keys',
  )
  const many = Array.from({ length: 30 }, (_, index) => ({
    path: `a[${index}]`,
    message: `m${index};`,
  }))
  const stored = toStoredError(new DecodeError('y'.repeat(9_000), { issues: many }))
  assertStorable(stored)
  assert.match(stored.message, /y… \(a\[0\]: m0;; .*; a\[19\]: m19;; and 10 more\)$/)
})

test('an AggregateError tells how many there were, and the first', () => {
  const errors = [new TypeError('refused'), new Error('also')]
  assert.equal(
    toStoredError(new AggregateError(errors, 'no host')).message,
    'no host (2 errors, the first: TypeError: refused)',
  )
  assert.equal(
    toStoredError(new AggregateError(errors)).message,
    '2 errors, the first: TypeError: refused',
  )
  assert.equal(
    toStoredError(new AggregateError(errors, 'is refused')).message,
    'is refused (2 errors)',
  )
  assert.equal(
    toStoredError(new AggregateError([{ a: 1 }])).message,
    '1 error, the first: {"a": 1}',
  )
  assert.equal(toStoredError(new AggregateError([], 'none')).message, 'none (0 errors)')
  const own = new AggregateError([], 'own')
  own.errors = [own]
  assert.equal(toStoredError(own).message, 'own (1 error)')
})
