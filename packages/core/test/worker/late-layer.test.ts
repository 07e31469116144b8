import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LayerError, LeaseLostError, TimeoutError } from '../../src/errors/task-errors.ts'
import { concurrency } from '../../src/layers/concurrency.ts'
import { timeout } from '../../src/layers/timeout.ts'
import { withSignal } from '../../src/service/request.ts'
import type { Layer } from '../../src/service/service.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { sleep } from '../../src/time/clock.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'

/** What came of a task whose layer calls the inside 5 seconds late, while its run may take 2. */
async function late(layer: (inside: () => unknown) => unknown) {
  const clock = new TestClock()
  const queue = new MemoryStorage({ clock }).queue<string>('late', { attempts: 1 })
  const ran: string[] = []
  const refused: unknown[] = []
  const own: Layer = (inner) => ({
    call: (request) => {
      const unlinked = withSignal(request, new AbortController().signal)
      const inside = (): unknown => inner.call(unlinked)
      clock.setTimer(() => {
        try {
          inside()
        } catch (error) {
          refused.push(error)
        }
      }, 5_000)
      // What it gives stands for the result of the inside.
      return layer(inside) as ReturnType<typeof inner.call>
    },
  })
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .layer(own)
    .build((name) => void ran.push(name))
  const running = worker.run()
  await queue.push('task', { timeout: '2s' })
  await clock.advance('10s')
  worker.stop()
  await running
  const [task] = await queue.listTasks()
  return { status: task?.parts.status, ran, refused }
}

test('no handler begins after its run was aborted, whatever signal a layer has given it', async () => {
  const { status, ran, refused } = await late(() => new Promise(() => {}))
  assert.equal(status, 'killed')
  assert.deepEqual(ran, [])
  assert.equal(refused.length, 1)
  assert.ok(refused[0] instanceof TimeoutError)
})

test('no handler begins after its run has ended', async () => {
  const { status, ran, refused } = await late((inside) => inside())
  assert.equal(status, 'done')
  assert.deepEqual(ran, ['task'])
  assert.equal(refused.length, 1)
  assert.ok(refused[0] instanceof LayerError)
  assert.match(refused[0].message, /after the run of its task had ended/)
})

test('no handler begins whose process stood still, while its layers waited, until the lease was over', async () => {
  const base = new TestClock()
  const clock = new ProcessClock(base, 0)
  const queue = new MemoryStorage({ clock }).queue<string>('frozen')
  const ran: string[] = []
  const reasons: unknown[] = []
  const worker = new WorkerBuilder('w')
    .backend(queue)
    .use(async (_, next) => {
      await sleep(clock, 1_000)
      return await next().catch((error: unknown) => {
        reasons.push(error)
        throw error
      })
    })
    .build((name) => void ran.push(name))
  const running = worker.run()
  await queue.push('task')
  await base.advance(500)
  clock.freeze()
  await base.advance('5m')
  assert.deepEqual(ran, [])
  // Node lets promises go on between two timers that are late.
  const late: (() => void)[] = []
  clock.thaw((fire) => late.push(fire))
  late[0]?.()
  await base.settle()
  assert.deepEqual(ran, [])
  for (const fire of late.slice(1)) fire()
  assert.equal(reasons.length, 1)
  assert.ok(reasons[0] instanceof LeaseLostError)
  await base.advance('1m')
  assert.deepEqual(ran, ['task'])
  worker.stop()
  await base.advance('1m')
  await running
})

describe('a call that a layer did not wait for ends with the run', () => {
  const raced =
    (clock: TestClock): Layer =>
    (inner) => ({
      call: async (request) => {
        const late = sleep(clock, 1_000).then(() => {
          throw new Error('too long')
        })
        return await Promise.race([inner.call(request), late])
      },
    })
  const forgetful: Readonly<Record<string, (clock: TestClock) => Layer>> = {
    'raced against a time of its own': raced,
    'raced inside of a timeout': (clock) => (inner) => timeout('1m')(raced(clock)(inner)),
    'made and forgotten': () => (inner) => ({
      call: (request) => {
        void inner.call(request)
        throw new Error('too long')
      },
    }),
  }
  for (const [what, layer] of Object.entries(forgetful)) {
    test(`${what}: its permits come back, its signal aborts, and a handler that goes on is told`, async () => {
      const clock = new TestClock()
      const queue = new MemoryStorage({ clock }).queue<string>('q', { attempts: 1 })
      const permits = concurrency(1)
      const signals: AbortSignal[] = []
      const told: string[] = []
      const worker = new WorkerBuilder('w')
        .backend(queue)
        .layer(layer(clock))
        .layer(permits)
        .onEvent(({ type }) => void told.push(type))
        .build(async (_, { signal }) => {
          signals.push(signal)
          await new Promise(() => {})
        })
      const running = worker.run()
      await queue.push('task')
      await clock.advance('2s')
      const [task] = await queue.listTasks()
      assert.equal(task?.parts.status, 'killed')
      assert.equal(task.parts.context.errors[0]?.message, 'too long')
      assert.equal(permits.inFlight, 0)
      assert.ok(signals[0]?.reason instanceof LayerError)
      await clock.advance('1s')
      assert.ok(told.includes('leaked'))
      assert.equal(worker.context.leaked, 1)
      worker.stop()
      await running
      assert.equal(clock.timers, 0)
    })
  }
})
