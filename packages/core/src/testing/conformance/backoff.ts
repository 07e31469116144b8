import assert from 'node:assert/strict'
import { type Backoff, constant, exponential, linear } from '../../task/backoff.ts'
import type { CaseDefinition } from './definition.ts'
import { Failing, failures } from './kit.ts'
import { between, queue } from './store-kit.ts'

/** How long a failed task waits: 30, 31. */
export const backoffCases: readonly CaseDefinition[] = [
  {
    number: 30,
    name: 'fixed, linear and exponential waits are what was asked for, jitter stays within it, caps hold',
    async run(world) {
      const { storage, work } = await world.process()
      const waits = async (
        name: string,
        backoff: Backoff | undefined,
        attempts: number,
      ): Promise<readonly number[]> => {
        const options = backoff === undefined ? {} : { backoff }
        const tasks = storage.queue<null>(name, { attempts, ...options })
        const failing = new Failing()
        // It pauses at each failure: a wait may be so short that the next attempt runs before the row is read.
        // One at a time: no claim is under way while the task runs.
        const pausing: typeof failing.handler = (args, request) => {
          worker.context.pause()
          return failing.handler(args, request)
        }
        const worker = work(tasks, pausing, { concurrency: 1 })
        const id = await tasks.push(null)
        const found: number[] = []
        for (let attempt = 1; attempt < attempts; attempt += 1) {
          await world.until(`attempt ${attempt} of ${name} is settled`, async () => {
            const row = await world.row(name, id)
            return row.status === 'failed' && row.attempt === attempt
          })
          const { runAt, errors } = await world.row(name, id)
          found.push(runAt - (errors.at(-1)?.at ?? 0))
          await tasks.reschedule(id, 0)
          worker.context.resume()
          await world.within(
            5_000,
            `attempt ${attempt + 1} of ${name}`,
            () => failing.calls > attempt,
          )
        }
        return found
      }
      const near = (found: readonly number[], expected: readonly number[]): void => {
        assert.equal(found.length, expected.length)
        for (const [index, ms] of expected.entries()) between(found[index], ms - 5, ms + 5)
      }
      near(await waits('constant', constant('10m'), 4), [600_000, 600_000, 600_000])
      near(await waits('linear', linear('1m', { max: '150s' }), 4), [60_000, 120_000, 150_000])
      near(
        await waits('exponential', exponential('1s', { jitter: 0, max: '5s' }), 6),
        [1_000, 2_000, 4_000, 5_000, 5_000],
      )
      const half = await waits('half', exponential('1m', { jitter: 0.5 }), 4)
      for (const [index, most] of [60_000, 120_000, 240_000].entries()) {
        between(half[index], most / 2 - 5, most + 5)
      }
      const full = await waits('default', undefined, 5)
      for (const [index, most] of [1_000, 2_000, 4_000, 8_000].entries()) {
        between(full[index], -5, most + 5)
      }
    },
  },
  {
    number: 30,
    name: 'a failed task does not run before its backoff is over, and soon after it',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue, { backoff: constant('1m') })
      const failing = new Failing()
      const worker = work(tasks, failing.handler)
      const id = await tasks.push(null)
      await world.until('it failed', () => failures(worker, 'failed').length === 1)
      assert.equal((await world.row(queue, id)).status, 'failed')
      await world.advance(45_000)
      assert.equal(failing.calls, 1)
      await world.within(20_000, 'it ran again', () => failing.calls === 2)
    },
  },
  {
    number: 31,
    name: 'a strategy of the own sees attempt, error and task, may be asynchronous, and ends it with undefined',
    async run(world) {
      const { storage, work } = await world.process()
      const seen: unknown[] = []
      const tasks = storage.queue<string>(queue, {
        attempts: 9,
        backoff: async (attempt, error, task) => {
          await Promise.resolve()
          seen.push([
            attempt,
            error instanceof Error && error.message,
            task.args,
            task.parts.taskId,
          ])
          return attempt < 3 ? '10s' : undefined
        },
      })
      const failing = new Failing()
      const worker = work(tasks, failing.handler)
      const id = await tasks.push('args')
      await world.within(
        60_000,
        'it is killed',
        async () => (await world.row(queue, id)).status === 'killed',
      )
      assert.deepEqual(seen, [
        [1, 'failure 1', 'args', id],
        [2, 'failure 2', 'args', id],
        [3, 'failure 3', 'args', id],
      ])
      assert.equal(failing.calls, 3)
      await world.until('its end is told', () => failures(worker, 'killed').length === 1)
    },
  },
]
