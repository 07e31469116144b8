import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError, circuitBreaker, type CircuitBreakerOptions, concurrency } from '@apalis/core'
import { Lab } from './lab.ts'

/** Ten tasks for a worker with `concurrency(1)` and a breaker, whose handler fails while the test says so. */
async function run(lab: Lab, options: CircuitBreakerOptions = {}, workers = 1) {
  const queue = await lab.queue<number>()
  await queue.pushBulk(Array.from({ length: 10 }, (_, index) => index))
  const service = { down: true, error: new Error('down') }
  const breaker = circuitBreaker({ failures: 3, recovery: '10m', ...options })
  const started = Array.from({ length: workers }, () =>
    lab.run(queue, (builder) =>
      builder
        .layer(concurrency(1))
        .layer(breaker)
        .build(() => {
          if (service.down) throw service.error
        }),
    ),
  )
  await lab.clock.settle()
  return { queue, service, breaker, workers: started }
}

test('open it claims nothing until its time, then exactly the probe', async () => {
  await using lab = new Lab()
  const { breaker } = await run(lab)
  assert.deepEqual(lab.counts(), { failed: 3, pending: 7 })
  assert.deepEqual(lab.tasks()[0], {
    status: 'failed',
    attempt: 1,
    releases: 0,
    dueIn: 1_000,
    failures: ['down'],
  })
  const before = lab.claims.length
  await lab.clock.advance(599_999)
  assert.equal(lab.claims.length, before)
  assert.equal(breaker.state, 'open')
  await lab.clock.advance(1)
  assert.deepEqual(lab.claims.slice(before), [{ at: 600_000, limit: 1, rows: 1 }])
  // It failed, so it is open for another ten minutes.
  assert.equal(breaker.state, 'open')
  await lab.clock.advance(599_999)
  assert.equal(lab.claims.length, before + 1)
  assert.equal(lab.counts()['running'], undefined)
})

test('when what is called works again everything is done, and nothing was lost or counted twice', async () => {
  await using lab = new Lab()
  const { breaker, service } = await run(lab, { successes: 2 })
  service.down = false
  await lab.clock.advance('10m')
  assert.equal(breaker.state, 'closed')
  assert.deepEqual(lab.counts(), { done: 10 })
  assert.deepEqual(
    lab.tasks().map(({ attempt }) => attempt),
    [2, 2, 2, 1, 1, 1, 1, 1, 1, 1],
  )
  const changes = lab.events.flatMap((event) =>
    event.type === 'custom' ? [[event.name, (event.data as { to: string }).to]] : [],
  )
  assert.deepEqual(changes, [
    ['circuitBreaker', 'open'],
    ['circuitBreaker', 'half-open'],
    ['circuitBreaker', 'closed'],
  ])
})

test('shared by two workers it is open for both, and both together send its probes', async () => {
  await using lab = new Lab()
  const { breaker, service } = await run(lab, { probes: 1, successes: 4 }, 2)
  assert.equal(breaker.state, 'open')
  const before = lab.claims.length
  await lab.clock.advance(599_999)
  assert.equal(lab.claims.length, before)
  service.down = false
  await lab.clock.advance('1s')
  assert.equal(breaker.state, 'closed')
  assert.deepEqual(lab.counts(), { done: 10 })
})

test('what is refused all the same is given back, due when it is worth trying again', async () => {
  await using lab = new Lab()
  const queue = await lab.queue<number>()
  const gate = Promise.withResolvers<void>()
  lab.run(queue, (builder) =>
    builder
      .layer(concurrency(2))
      .use(async (request, next) => {
        if (request.task.args === 2) await gate.promise
        return await next()
      })
      .layer(circuitBreaker({ failures: 1, recovery: '10m' }))
      .build(() => {
        throw new Error('down')
      }),
  )
  await queue.push(2)
  await queue.push(1)
  await lab.clock.advance('1m')
  gate.resolve()
  await lab.clock.settle()
  assert.deepEqual(lab.tasks()[0], {
    status: 'pending',
    attempt: 0,
    releases: 1,
    dueIn: 540_000,
    failures: ['circuit breaker is open: a failure'],
  })
})

test('what is hopeless is killed and does not open it', async () => {
  await using lab = new Lab()
  const { breaker, service } = await run(lab)
  assert.equal(breaker.state, 'open')
  service.error = new AbortError('bad input')
  await lab.clock.advance('10m')
  assert.equal(breaker.state, 'half-open')
  assert.deepEqual(lab.counts(), { killed: 10 })
  assert.ok(lab.tasks().every(({ failures }) => failures?.at(-1) === 'bad input'))
})

test('a worker that stops while it is open stops at once, and says why it took nothing', async () => {
  await using lab = new Lab()
  const { workers } = await run(lab)
  const [worker] = workers
  const until = new Date(lab.clock.now() + 600_000)
  assert.deepEqual(worker?.context.layers, [
    { name: 'concurrency', capacity: 1 },
    { name: 'circuitBreaker', capacity: 0, reason: 'open: 3 failures in a row', until },
  ])
  worker.stop()
  await worker.context.stopped
  assert.deepEqual(lab.counts(), { failed: 3, pending: 7 })
})
