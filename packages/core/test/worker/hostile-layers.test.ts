import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryAfterError } from '../../src/errors/task-errors.ts'
import { circuitBreaker } from '../../src/layers/circuit-breaker.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { loadShed } from '../../src/layers/load-shed.ts'
import { rateLimit } from '../../src/layers/rate-limit.ts'
import { retry } from '../../src/layers/retry.ts'
import { timeout } from '../../src/layers/timeout.ts'
import type { Layer } from '../../src/service/service.ts'
import { use } from '../../src/service/use.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { constant } from '../../src/task/backoff.ts'
import { Random } from '../../src/testing/simulation/random.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { long } from '../long.ts'

const never = (): Promise<never> => new Promise(() => {})

/** Layers of somebody's own that now and then do what no layer should. */
function hostile(random: Random, clock: TestClock): readonly Layer[] {
  const now = (): boolean => random.chance(0.07)
  return [
    (inner) => ({
      call: async (request) => {
        await sleep(clock, random.between(0, 50))
        return await inner.call(request)
      },
    }),
    (inner) => ({
      call: (request) => {
        if (now()) throw new Error('at once')
        return now() ? never() : inner.call(request)
      },
    }),
    (inner) => ({
      call: async (request) => {
        const result = await inner.call(request)
        return now() ? never() : result
      },
    }),
    (inner) => ({
      call: async (request) => {
        if (now()) void inner.call(request)
        return await inner.call(request)
      },
    }),
    (inner) => ({
      call: async (request) => {
        try {
          return await inner.call(request)
        } catch (error) {
          if (!now()) throw error
          throw new RetryAfterError('later', 200, { countAttempt: now() })
        }
      },
    }),
    (inner) => ({
      call: (request) => inner.call(request),
      capacity: () => {
        if (now()) throw new Error('no idea')
        return now() ? Number.NaN : 3
      },
      ready: () => (now() ? never() : Promise.reject(new Error('not today'))),
    }),
    use(async (_, next) => {
      if (now()) next().catch(() => {})
      return await next()
    }),
    use(async (_, next) => (now() ? await never() : await next())),
  ]
}

test('whatever layers do, nothing stays running, no permit is lost and every worker ends', async () => {
  for (let seed = 1; seed <= (long ? 600 : 60); seed += 1) {
    const random = new Random(`hostile ${seed}`)
    const clock = new TestClock()
    const queue = new MemoryStorage({ clock }).queue<number>('q', {
      attempts: 3,
      backoff: constant(200),
    })
    const permits = concurrency(2)
    const limits = [
      rateLimit({ limit: 20, per: '1s', burst: 3 }),
      circuitBreaker({ failures: 3, recovery: 500 }),
      retry({ times: 3, backoff: constant(20) }),
      timeout('300ms', { grace: 50 }),
      loadShed(),
    ]
    const ends = ['one', 'other'].map((name) => {
      const some = [...limits, ...hostile(random, clock)].filter(() => random.chance(0.4))
      let builder = new WorkerBuilder(name).backend(queue)
      const at = random.between(0, some.length)
      for (const layer of some.toSpliced(at, 0, permits)) builder = builder.layer(layer)
      const worker = builder.build(async (_, { signal }) => {
        if (random.chance(0.2)) throw new Error('no luck')
        if (random.chance(0.1)) await never()
        await sleep(clock, random.between(0, 100), { signal })
      })
      const running = worker.run({ shutdownTimeout: '3s' })
      return { worker, running }
    })
    await queue.pushBulk(
      Array.from({ length: 20 }, (_, index) => index),
      { timeout: '1s' },
    )
    await clock.advance('5m')
    const { done, killed } = await queue.metrics()
    assert.equal(done + killed, 20, `seed ${seed}: all have ended`)
    assert.equal(permits.inFlight, 0, `seed ${seed}: permits`)
    for (const { worker } of ends) worker.stop()
    await clock.advance('20s')
    await Promise.all(ends.map(({ running }) => running))
    assert.equal(clock.timers, 0, `seed ${seed}: timers`)
  }
})
