import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { around } from '../../src/service/around.ts'
import type { TaskRequest } from '../../src/service/service.ts'
import { mockService } from '../../src/testing/mock-service.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { testRequest } from '../../src/testing/test-request.ts'
import type { NamedLayer, RawLayer, RawService } from '../../src/worker/plan.ts'
import { composeStack } from '../../src/worker/stack.ts'

const never = new AbortController().signal
const echo: RawService = { call: (request) => request.task.args }

function named(name: string, layer: RawLayer): NamedLayer {
  return { name, layer }
}

/** A layer with a capacity of its own. */
function limit(
  capacity: (ahead?: number) => number,
  ready?: (signal: AbortSignal) => Promise<void>,
): RawLayer {
  return (inner) => ({
    call: (request) => inner.call(request),
    capacity,
    ...(ready === undefined ? {} : { ready }),
  })
}

function compose(layers: readonly NamedLayer[], innermost: RawService = echo) {
  const clock = new TestClock()
  const errors: (readonly [string, unknown])[] = []
  const onError = (layer: string, error: unknown): void => void errors.push([layer, error])
  return { clock, errors, stack: composeStack({ layers, innermost, clock, onError }) }
}

describe('calls', () => {
  test('pass the layers outermost first; each layer was called once', () => {
    const order: string[] = []
    const layer = (name: string): NamedLayer =>
      named(name, (inner) => {
        order.push(`made ${name}`)
        return around(inner, (request: TaskRequest) => {
          order.push(name)
          return inner.call(request)
        })
      })
    const { stack } = compose([layer('outer'), layer('inner')])
    assert.equal(stack.call(testRequest(5)), 5)
    assert.equal(stack.call(testRequest(6)), 6)
    const calls = ['outer', 'inner']
    assert.deepEqual(order, ['made inner', 'made outer', ...calls, ...calls])
  })

  test('reach the handler where there is no layer', () => {
    const { stack } = compose([])
    assert.equal(stack.call(testRequest(5)), 5)
    assert.equal(stack.capacity(), Infinity)
    assert.deepEqual(stack.layers(), [])
  })

  test('reach a class service with its `this`', () => {
    class Twice implements RawService {
      readonly #inner: RawService
      constructor(inner: RawService) {
        this.#inner = inner
      }
      call(request: TaskRequest): unknown {
        return [this.#inner.call(request), this.#inner.call(request)]
      }
    }
    const { stack } = compose([named('twice', (inner) => new Twice(inner))])
    assert.deepEqual(stack.call(testRequest(5)), [5, 5])
  })

  test('need a service from every layer', () => {
    const broken = named('broken', (() => undefined) as unknown as RawLayer)
    assert.throws(() => compose([broken]), { code: 'ERR_OPTION', option: 'layer broken' })
  })
})

describe('capacity', () => {
  test('is the least of all layers', () => {
    const counts = { a: 7, b: 3 }
    const { stack } = compose([
      named(
        'a',
        limit(() => counts.a),
      ),
      named('plain', (inner) => ({ call: (request) => inner.call(request) })),
      named(
        'b',
        limit(() => counts.b),
      ),
    ])
    assert.equal(stack.capacity(), 3)
    counts.a = 2
    assert.equal(stack.capacity(), 2)
    counts.b = 0
    assert.equal(stack.capacity(), 0)
  })

  test('passes `ahead` on', () => {
    const { stack } = compose([
      named(
        'a',
        limit((ahead = 0) => 1 + ahead),
      ),
    ])
    assert.equal(stack.capacity(), 1)
    assert.equal(stack.capacity(9), 10)
  })

  test('is found on a prototype, above layers that only forward', () => {
    class Limited implements RawService {
      readonly #inner: RawService
      readonly #free = 4
      constructor(inner: RawService) {
        this.#inner = inner
      }
      call(request: TaskRequest): unknown {
        return this.#inner.call(request)
      }
      capacity(): number {
        return this.#free
      }
    }
    const forward: RawLayer = (inner) =>
      around(inner, (request: TaskRequest) => inner.call(request))
    const { stack } = compose([
      named('forward', forward),
      named('limited', (inner) => new Limited(inner)),
      named('forward too', forward),
    ])
    assert.equal(stack.capacity(), 4)
    assert.deepEqual(stack.layers(), [
      { name: 'forward', capacity: Infinity },
      { name: 'limited', capacity: 4 },
      { name: 'forward too', capacity: Infinity },
    ])
  })

  test('counts that of the handler, and shows it last', () => {
    const mock = mockService<TaskRequest, unknown>()
    mock.capacity = 2
    const { stack } = compose(
      [
        named(
          'a',
          limit(() => 5),
        ),
      ],
      mock.service,
    )
    assert.equal(stack.capacity(), 2)
    assert.deepEqual(stack.layers(), [
      { name: 'a', capacity: 5 },
      { name: 'handler', capacity: 2 },
    ])
  })

  test('does not count what a layer that sheds load has inside', () => {
    const shed: RawLayer = Object.assign(
      ((inner) => around(inner, (request: TaskRequest) => inner.call(request))) satisfies RawLayer,
      { shedsLoad: true },
    )
    const { stack } = compose([
      named(
        'outer',
        limit(() => 5),
      ),
      named('shed', shed),
      named(
        'inner',
        limit(() => 0),
      ),
    ])
    assert.equal(stack.capacity(), 5)
    assert.deepEqual(
      stack.layers().map(({ capacity }) => capacity),
      [5, Infinity, 0],
    )
  })

  test('of everything inside is what a layer finds on its inner service', async () => {
    let inside: RawService | undefined
    const { stack } = compose([
      named(
        'a',
        limit(() => 1),
      ),
      named('looks', (inner) => {
        inside = inner
        return around(inner, (request: TaskRequest) => inner.call(request))
      }),
      named('plain', (inner) => ({ call: (request) => inner.call(request) })),
      named(
        'b',
        limit(() => 6),
      ),
      named(
        'c',
        limit(() => 4),
      ),
    ])
    assert.equal(inside?.capacity?.(), 4)
    await inside?.ready?.(never)
    assert.equal(stack.capacity(), 1)
  })

  test('of a layer that gives back its inner service is not its own', () => {
    const { stack } = compose([
      named('none', (inner) => inner),
      named(
        'a',
        limit(() => 5),
      ),
    ])
    assert.deepEqual(stack.layers(), [
      { name: 'none', capacity: Infinity },
      { name: 'a', capacity: 5 },
    ])
  })

  test('is a whole number of at least 0', () => {
    for (const [answer, expected] of [
      [2.9, 2],
      [0.9, 0],
      [-3, 0],
      [Infinity, Infinity],
    ] as const) {
      const { stack, errors } = compose([
        named(
          'a',
          limit(() => answer),
        ),
      ])
      assert.equal(stack.capacity(), expected)
      assert.deepEqual(errors, [])
    }
  })

  test('that throws or is no number is reported and counts as 0 for a second', async () => {
    const failure = new Error('capacity')
    for (const [answer, message] of [
      [() => Number.NaN, 'layer "a" has a capacity of NaN'],
      [
        () => {
          throw failure
        },
        'capacity',
      ],
      [untyped(() => '3'), 'layer "a" has a capacity of "3"'],
      [untyped(() => undefined), 'layer "a" has a capacity of undefined'],
      [untyped(() => Promise.reject(failure)), 'layer "a" has a capacity of an object (Promise)'],
    ] as const) {
      let broken = true
      const { clock, stack, errors } = compose([
        named(
          'outer',
          limit(() => 9),
        ),
        named(
          'a',
          limit(() => (broken ? answer() : 5)),
        ),
      ])
      assert.equal(stack.capacity(), 0)
      assert.equal(stack.capacity(), 0)
      assert.equal(errors.length, 1)
      assert.equal(errors[0]?.[0], 'a')
      assert.equal((errors[0][1] as Error).message, message)
      let ready = false
      const waiting = stack.ready(never).then(() => {
        ready = true
      })
      await clock.advance(999)
      assert.equal(errors.length, 1)
      await clock.advance(1)
      assert.equal(errors.length, 2)
      broken = false
      assert.equal(ready, false)
      await clock.advance(1_000)
      await waiting
      assert.equal(stack.capacity(), 5)
      assert.equal(errors.length, 2)
      assert.equal(clock.timers, 0)
    }
  })
})

/** A capacity that JavaScript may answer with. */
function untyped(capacity: () => unknown): () => number {
  return capacity as () => number
}

describe('ready', () => {
  test('settles at once when there is capacity, or the signal has aborted', async () => {
    await compose([]).stack.ready(never)
    await compose([
      named(
        'a',
        limit(() => 5),
      ),
    ]).stack.ready(never)
    await compose([
      named(
        'a',
        limit(() => 0),
      ),
    ]).stack.ready(AbortSignal.abort())
  })

  test('waits for the outermost full layer, then for the next', async () => {
    const outer = mockService<TaskRequest, unknown>()
    const inner = mockService<TaskRequest, unknown>()
    const asked: string[] = []
    const layer = (name: string, mock: typeof outer): NamedLayer =>
      named(
        name,
        limit(
          () => mock.service.capacity?.() ?? 0,
          (signal) => {
            asked.push(name)
            return mock.service.ready?.(signal) ?? Promise.resolve()
          },
        ),
      )
    outer.capacity = 0
    inner.capacity = 0
    const { clock, stack } = compose([layer('outer', outer), layer('inner', inner)])
    let ready = false
    const waiting = stack.ready(never).then(() => {
      ready = true
    })
    await clock.settle()
    assert.deepEqual(asked, ['outer'])
    outer.capacity = 3
    await clock.settle()
    assert.deepEqual(asked, ['outer', 'inner'])
    assert.equal(ready, false)
    inner.capacity = 1
    await waiting
    assert.equal(stack.capacity(), 1)
  })

  test('looks again every 100 ms at a layer that has none', async () => {
    let free = 0
    const { clock, stack } = compose([
      named(
        'a',
        limit(() => free),
      ),
    ])
    let ready = false
    const waiting = stack.ready(never).then(() => {
      ready = true
    })
    await clock.advance(100)
    assert.equal(ready, false)
    free = 1
    await clock.advance(99)
    assert.equal(ready, false)
    await clock.advance(1)
    await waiting
    assert.equal(clock.timers, 0)
  })

  test('that throws or rejects is reported, and its layer is full for a second', async () => {
    for (const ready of [
      () => {
        throw new Error('ready')
      },
      () => Promise.reject(new Error('ready')),
      // What JavaScript may answer with.
      (() => 'ready') as unknown as () => Promise<never>,
    ]) {
      let free = 0
      const { clock, stack, errors } = compose([
        named(
          'a',
          limit(() => free, ready),
        ),
      ])
      let settled = false
      const waiting = stack.ready(never).then(() => {
        settled = true
      })
      await clock.settle()
      assert.equal(errors.length, 1)
      assert.equal(errors[0]?.[0], 'a')
      assert.match((errors[0][1] as Error).message, /ready/)
      free = 2
      assert.equal(stack.capacity(), 0)
      await clock.advance(999)
      assert.equal(settled, false)
      await clock.advance(1)
      await waiting
      assert.equal(stack.capacity(), 2)
    }
  })

  test('that misses its moment is told after a while, and the layer is asked again', async () => {
    let free = 0
    const { clock, stack, errors } = compose([
      named(
        'a',
        limit(
          () => free,
          () => new Promise(() => {}),
        ),
      ),
    ])
    const waiting = stack.ready(never)
    await clock.advance('1m')
    assert.deepEqual(errors, [])
    free = 2
    await clock.advance('5s')
    await waiting
    assert.equal(errors.length, 1)
    assert.match(String(errors[0]?.[1]), /layer "a" did not say it was ready/)
    assert.equal(clock.timers, 0)
  })

  test('that settles without capacity again and again does not keep the process busy', async () => {
    let asked = 0
    const controller = new AbortController()
    const { clock, stack } = compose([
      named(
        'a',
        limit(
          () => 0,
          async () => {
            asked += 1
          },
        ),
      ),
    ])
    const waiting = stack.ready(controller.signal)
    await clock.advance('1s')
    assert.ok(asked > 5 && asked < 25, `asked ${asked} times`)
    controller.abort()
    await waiting
    assert.equal(clock.timers, 0)
  })

  test('ends when its signal aborts, whatever it waits for', async () => {
    const hanging = (): Promise<void> => new Promise(() => {})
    const obedient = (signal: AbortSignal): Promise<void> =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
    for (const ready of [undefined, hanging, obedient]) {
      const controller = new AbortController()
      const { clock, stack, errors } = compose([
        named(
          'a',
          limit(() => 0, ready),
        ),
      ])
      const waiting = stack.ready(controller.signal)
      await clock.settle()
      controller.abort()
      await waiting
      assert.deepEqual(errors, [])
      assert.equal(clock.timers, 0)
    }
  })
})

test('a limit shared by two stacks holds for both, and wakes both', async () => {
  const shared = concurrency(1)
  const mock = mockService<TaskRequest, unknown>()
  const layers = [named('concurrency', shared)]
  const one = compose(layers, { call: (request) => mock.service.call(request) }).stack
  const two = compose(layers).stack
  const running = one.call(testRequest('one'))
  assert.equal(one.capacity(), 0)
  assert.equal(two.capacity(), 0)
  const waiting = two.ready(never)
  const { respond } = await mock.request()
  respond('done')
  await running
  await waiting
  assert.equal(two.capacity(), 1)
})
