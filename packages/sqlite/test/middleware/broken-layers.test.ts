import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  circuitBreaker,
  concurrency,
  type Layer,
  type LayerFunction,
  rateLimit,
  sleep,
  use,
} from '@apalis/core'
import type { TestClock } from '@apalis/core/testing'
import { Lab } from './lab.ts'

type Broken = (clock: TestClock) => Layer

const never = (): Promise<never> => new Promise(() => {})
const wrong = (fn: (...args: Parameters<LayerFunction>) => unknown): Layer =>
  use(fn as LayerFunction)

interface Row {
  readonly name: string
  readonly layer: Broken
  /** What the database says of the task's only failed run; absent: it is done. */
  readonly failure?: RegExp
}

/** Layers that break their contract, each in its way. */
const rows: readonly Row[] = [
  {
    name: 'calls next twice',
    layer: () =>
      use(async (_, next) => {
        await next()
        return await next()
      }),
    failure: /called next\(\) twice/,
  },
  {
    name: 'calls next twice at once',
    layer: () => use(async (_, next) => (await Promise.all([next(), next()]))[0]),
    failure: /called next\(\) twice/,
  },
  {
    name: 'never calls next',
    layer: () => wrong(async () => undefined),
    failure: /ended without calling next\(\)/,
  },
  {
    name: 'does not wait for next',
    layer: () => wrong(async (_, next) => void next()),
    failure: /did not return what next\(\) gave/,
  },
  {
    name: 'gives back something of its own',
    layer: () =>
      wrong(async (_, next) => {
        await next()
        return 'passed'
      }),
    failure: /did not return what next\(\) gave/,
  },
  {
    name: 'calls next after the abort',
    layer: (clock) =>
      use(async (_, next) => {
        await sleep(clock, 30_000)
        return await next()
      }),
    failure: /took longer than 20000 ms/,
  },
  {
    name: 'hangs before next',
    layer: () => use(never),
    failure: /took longer than 20000 ms/,
  },
  {
    name: 'hangs after next',
    layer: () =>
      use(async (_, next) => {
        await next()
        return await never()
      }),
    failure: /took longer than 20000 ms/,
  },
  {
    name: 'throws before next',
    layer: () =>
      use(async () => {
        throw new Error('turned back')
      }),
    failure: /turned back/,
  },
  {
    name: 'is a service that hangs',
    layer: () => () => ({ call: never }),
    failure: /took longer than 20000 ms/,
  },
  {
    name: 'is a service that calls the inside twice at once',
    layer: () => (inner) => ({
      call: async (request) => (await Promise.all([inner.call(request), inner.call(request)]))[0],
    }),
  },
  {
    name: 'throws at once',
    layer: () => () => ({
      call: () => {
        throw new Error('broken')
      },
    }),
    failure: /broken/,
  },
]

describe('a layer that breaks its contract fails its task, and no limit around or inside loses a place', () => {
  for (const { name, layer, failure } of rows) {
    for (const where of ['around', 'inside'] as const) {
      test(`${name}, ${where} the limits`, async () => {
        await using lab = new Lab()
        const queue = await lab.queue<string>({ attempts: 1 })
        const permits = concurrency(1)
        const limit = rateLimit({ limit: 100, per: '1s', burst: 100 })
        const breaker = circuitBreaker({ failures: 100 })
        const broken = layer(lab.clock)
        // Only the first task meets it.
        const once: Layer = (inner) => {
          const wrapped = broken(inner)
          return {
            call: (request) =>
              request.task.args === 'first' ? wrapped.call(request) : inner.call(request),
          }
        }
        await queue.pushBulk(['first', 'second'], { timeout: '20s' })
        const worker = lab.run(queue, (builder) => {
          const outer = where === 'around' ? builder.layer(once) : builder
          const limited = outer.layer(permits).layer(limit).layer(breaker)
          return (where === 'inside' ? limited.layer(once) : limited).build(() => undefined)
        })
        const before = worker.context.layers
        await lab.clock.advance('1m')
        const [first, second] = lab.tasks()
        if (failure === undefined) {
          assert.equal(first?.status, 'done')
        } else {
          assert.equal(first?.status, 'killed')
          assert.match(first.failures?.join() ?? '', failure)
        }
        assert.equal(second?.status, 'done')
        assert.deepEqual(worker.context.layers, before)
        assert.equal(permits.inFlight, 0)
      })
    }
  }
})

describe('a layer whose capacity or ready fails is told, takes nothing for a second, and is asked again', () => {
  const failures: readonly (readonly [string, Layer])[] = [
    ['capacity throws', failing((failed) => ({ capacity: () => (failed() ? raise() : 1) }))],
    ['capacity is NaN', failing((failed) => ({ capacity: () => (failed() ? Number.NaN : 1) }))],
    ['ready throws', failing((failed) => ({ capacity: () => (failed() ? 0 : 1), ready: raise }))],
    [
      'ready rejects',
      failing((failed) => ({
        capacity: () => (failed() ? 0 : 1),
        ready: async () => raise(),
      })),
    ],
  ]
  for (const [name, layer] of failures) {
    test(name, async () => {
      await using lab = new Lab()
      const queue = await lab.queue<number>()
      await queue.push(1)
      lab.run(queue, (worker) => worker.layer(layer).build(() => undefined))
      await lab.clock.advance('10s')
      assert.deepEqual(lab.tasks(), [{ status: 'done', attempt: 1, releases: 0 }])
      const told = lab.events.filter((event) => event.type === 'error' && 'operation' in event)
      assert.ok(told.length >= 1 && told.length <= 8, `told ${told.length} times`)
    })
  }
})

function raise(): never {
  throw new Error('no idea')
}

/** A layer that fails the first times that it is asked. */
function failing(
  make: (failed: () => boolean) => {
    readonly capacity: () => number
    readonly ready?: (signal: AbortSignal) => Promise<void>
  },
): Layer {
  let asked = 0
  const limits = make(() => {
    asked += 1
    return asked <= 8
  })
  return (inner) => ({ call: (request) => inner.call(request), ...limits })
}
