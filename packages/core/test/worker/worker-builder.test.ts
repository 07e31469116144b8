import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { eventListener } from '../../src/layers/event-listener.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { around } from '../../src/service/around.ts'
import { withData } from '../../src/service/request.ts'
import type { Layer, ProvidingLayer, TaskRequest } from '../../src/service/service.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { ListBackend } from './list-backend.ts'

const plain: Layer = function plain(inner) {
  return around(inner, (request) => inner.call(request))
}

function names(worker: { readonly context: { readonly layers: readonly { name: string }[] } }) {
  return worker.context.layers.map(({ name }) => name)
}

describe('layers', () => {
  const bound = new WorkerBuilder('test').backend(new ListBackend([1]))
  const middleware = ['middleware']

  test('begin with concurrency(10) unless one of them bounds what is in flight', () => {
    const unbounded = bound.layer(plain).build(() => {})
    assert.deepEqual(names(unbounded), [...middleware, 'concurrency', 'plain'])
    assert.equal(unbounded.context.layers[1]?.capacity, 10)
    const bounded = bound
      .layer(plain)
      .layer(concurrency(50))
      .build(() => {})
    assert.deepEqual(names(bounded), [...middleware, 'plain', 'concurrency'])
    assert.equal(bounded.context.layers[2]?.capacity, 50)
    const own: Layer = (inner) => around(inner, (request) => inner.call(request))
    const ownBound = Object.assign(own, { boundsInFlight: true, layerName: 'own' })
    assert.deepEqual(names(bound.layer(ownBound).build(() => {})), [...middleware, 'own'])
    const backend = new ListBackend([1], { layer: ownBound })
    const byBackend = new WorkerBuilder('test').backend(backend).build(() => {})
    assert.deepEqual(names(byBackend), ['own'])
  })

  test('run in the order in which they were added, extractors and providers among them', async () => {
    const order: string[] = []
    const trace = (layerName: string): Layer<unknown, object> => {
      const layer: Layer<unknown, object> = (inner) =>
        around(inner, (request) => {
          order.push(`${layerName}: ${Object.keys(request.data).join()}`)
          return inner.call(request)
        })
      return Object.assign(layer, { layerName })
    }
    const tenant: ProvidingLayer<{ tenant: string }> = (inner) =>
      around(inner, (request) => {
        order.push('tenant')
        return inner.call(withData(request, { tenant: 'a' }))
      })
    const worker = new WorkerBuilder('test')
      .backend(new ListBackend(['args'], { layer: trace('backend') as Layer }))
      .layer(trace('first'))
      .provide(tenant)
      .extract({ user: ({ data }) => `user of ${data.tenant}` })
      .use(async function second({ data }, next) {
        order.push(`second: ${data.user}`)
        return next()
      })
      .data({ late: true })
      .build((args, { data }) => {
        order.push(`handler: ${args} ${data.user} ${data.late}`)
      })
    assert.deepEqual(names(worker), [
      'backend',
      'concurrency',
      'first',
      'tenant',
      'extract',
      'second',
    ])
    await worker.run()
    assert.deepEqual(order, [
      'backend: late',
      'first: late',
      'tenant',
      'second: user of a',
      'handler: args user of a true',
    ])
  })

  test('that bound what is in flight are refused twice in one worker', () => {
    const limit = concurrency(1)
    assert.throws(() => bound.layer(limit).layer(plain).layer(limit), { code: 'ERR_OPTION' })
    assert.doesNotThrow(() => bound.layer(limit).layer(concurrency(1)).layer(plain).layer(plain))
  })

  test('may be shared by several workers', async () => {
    const limit = concurrency(1)
    let most = 0
    const workers = ['one', 'two'].map((name) =>
      new WorkerBuilder(name)
        .backend(new ListBackend([1, 2, 3]))
        .layer(limit)
        .build(async () => {
          most = Math.max(most, limit.inFlight)
          await new Promise(setImmediate)
        }),
    )
    await Promise.all(workers.map(async (worker) => worker.run()))
    assert.equal(most, 1)
    assert.equal(limit.inFlight, 0)
  })
})

describe('data', () => {
  test('is merged once, frozen, and the same for every task', async () => {
    const seen = new Set<unknown>()
    const list = new ListBackend([1, 2, 3])
    const given = { db: 'db' }
    const worker = new WorkerBuilder('test')
      .backend(list)
      .data(given)
      .data({ smtp: 'smtp' })
      .build((_, { data }) => seen.add(data))
    given.db = 'other'
    await worker.run()
    assert.equal(list.outcomes.length, 3)
    const [data, ...more] = seen
    assert.deepEqual(data, { db: 'db', smtp: 'smtp' })
    assert.deepEqual(more, [])
    assert.ok(Object.isFrozen(data))
  })

  test('has each name once', () => {
    const bound = new WorkerBuilder('test').backend(new ListBackend([1]))
    const taken = { code: 'ERR_OPTION', value: 'user' }
    assert.throws(() => bound.data({ user: 1 }).data({ user: 2 }), taken)
    assert.throws(() => bound.data({ user: 1 }).extract({ user: () => 2 }), taken)
    assert.throws(() => bound.extract({ user: () => 1 }).data({ user: 2 }), taken)
    assert.throws(() => bound.extract({ user: () => 1 }).extract({ user: () => 2 }), taken)
  })

  test('is a plain object, since methods of a class would not arrive', () => {
    class Services {
      db = 'db'
      send(): void {}
    }
    const bound = new WorkerBuilder('test').backend(new ListBackend([1]))
    assert.throws(() => bound.data(new Services()), { code: 'ERR_OPTION', option: 'data' })
    assert.doesNotThrow(() => bound.data(Object.create(null) as object))
  })

  test('an extractor that throws fails the attempt', async () => {
    const list = new ListBackend(['args'])
    const error = new Error('no such user')
    let ran = false
    const worker = new WorkerBuilder('test')
      .backend(list)
      .extract({ user: async () => Promise.reject(error) })
      .build(() => {
        ran = true
      })
    await worker.run()
    assert.equal(ran, false)
    assert.deepEqual(list.outcomes, [{ type: 'killed', error }])
  })
})

describe('build', () => {
  test('takes a handler or a service', async () => {
    const results = async (list: ListBackend<number>, run: () => Promise<void>) => {
      await run()
      return list.outcomes
    }
    const done = [{ type: 'done', result: 2 }]
    const forHandler = new ListBackend([1])
    const handler = new WorkerBuilder('test').backend(forHandler).build((args) => args + 1)
    assert.deepEqual(await results(forHandler, () => handler.run()), done)
    class Increment {
      readonly #by = 1
      call(request: TaskRequest<number>): number {
        return request.task.args + this.#by
      }
    }
    const forService = new ListBackend([1])
    const service = new WorkerBuilder('test').backend(forService).build(new Increment())
    assert.deepEqual(await results(forService, () => service.run()), done)
  })

  test('counts the capacity of a service', () => {
    const service = { call: () => 1, capacity: () => 3 }
    const worker = new WorkerBuilder('test').backend(new ListBackend([1])).build(service)
    assert.deepEqual(worker.context.layers.at(-1), { name: 'handler', capacity: 3 })
  })

  test('refuses what is neither', () => {
    const bound = new WorkerBuilder('test').backend(new ListBackend([1]))
    for (const run of [undefined, {}, { call: 'call' }]) {
      // @ts-expect-error neither a handler nor a service
      assert.throws(() => bound.build(run), { code: 'ERR_OPTION', option: 'build' })
    }
  })

  test('leaves the builder as it is: each step is a new one', async () => {
    const seen: string[] = []
    const trunk = new WorkerBuilder('test').backend(new ListBackend([1])).data({ trunk: 1 })
    const left = trunk.data({ left: 1 }).onEvent(({ type }) => void seen.push(type))
    const right = trunk.data({ left: 2 }).layer(timeout('1s'))
    assert.deepEqual(names(left.build(() => {})), ['middleware', 'concurrency'])
    assert.deepEqual(names(right.build(() => {})), ['middleware', 'concurrency', 'timeout'])
    await right.build((_, { data }) => assert.equal(data.left, 2)).run()
    assert.deepEqual(seen, [])
  })
})

test('listeners, acknowledgements and extensions arrive', async () => {
  const list = new ListBackend([1])
  const events: string[] = []
  const acknowledged: unknown[] = []
  const worker = new WorkerBuilder('test')
    .backend(list)
    .onEvent(({ type }, { name }) => void events.push(`first ${type} ${name}`))
    .with(eventListener(({ type }) => void events.push(`second ${type}`)))
    .with((builder) => builder.data({ by: 'extension' }))
    .ackWith((outcome, { args }) => void acknowledged.push(outcome, args))
    .build((_, { data }) => data.by)
  await worker.run()
  assert.deepEqual(acknowledged, [{ type: 'done', result: 'extension' }, 1])
  assert.deepEqual(events.slice(0, 2), ['first start test', 'second start'])
  assert.ok(events.includes('second success'))
})

describe('options', () => {
  test('are validated, by name', () => {
    for (const [option, values] of Object.entries({
      claimBatch: [0, 1_001, 1.5, '5', Infinity],
      acknowledgementBuffer: [0, Infinity, 1e9],
      abortGrace: [-1, 'soon', Infinity],
      longRunAfter: [0, 'soon', Infinity],
      eventBuffer: [0, Infinity, 1e9],
    })) {
      for (const value of values) {
        assert.throws(() => new WorkerBuilder('test', { [option]: value }), {
          code: 'ERR_OPTION',
          option,
          value,
        })
      }
    }
    // @ts-expect-error no such option
    assert.throws(() => new WorkerBuilder('test', { claimBatches: 5 }), { code: 'ERR_OPTION' })
    for (const name of ['', 'x'.repeat(256), 'a\u0000b']) {
      assert.throws(() => new WorkerBuilder(name), { code: 'ERR_OPTION', option: 'worker name' })
    }
  })

  test('do not help on a Node that is too old, and the error says so', () => {
    const original = Object.getOwnPropertyDescriptor(Promise, 'withResolvers')
    assert.ok(original !== undefined)
    assert.ok(Reflect.deleteProperty(Promise, 'withResolvers'))
    try {
      assert.throws(() => new WorkerBuilder('test'), /need Node 22\.18 or newer, and this is Node /)
    } finally {
      Object.defineProperty(Promise, 'withResolvers', original)
    }
  })

  test('of the steps are validated, too', () => {
    const builder = new WorkerBuilder('test')
    // @ts-expect-error no backend
    assert.throws(() => builder.backend({ name: 'none' }), {
      code: 'ERR_OPTION',
      option: 'backend',
    })
    const bound = builder.backend(new ListBackend([1]))
    const no = 'a function' as unknown as () => never
    const option = (name: string) => ({ code: 'ERR_OPTION', option: name })
    assert.throws(() => bound.layer(no), option('layer'))
    assert.throws(() => bound.provide(no), option('layer'))
    assert.throws(() => bound.use(no), option('layer function'))
    assert.throws(() => bound.extract({ user: no }), option('extract.user'))
    assert.throws(() => bound.onEvent(no), option('onEvent'))
    assert.throws(() => bound.onBackendError(no), option('onBackendError'))
    assert.throws(() => bound.ackWith(no), option('ackWith'))
    assert.throws(() => bound.with(no), option('with'))
  })
})
