import assert from 'node:assert/strict'
import { json } from '../../codec/json.ts'
import { BackendError, isBackendError, isEncodeError } from '../../errors/backend-errors.ts'
import { sleep, systemClock } from '../../time/clock.ts'
import type { CaseDefinition } from './definition.ts'
import { eventsOf, failures, raise } from './kit.ts'
import { queue } from './store-kit.ts'
import { settling } from '../wire.ts'

/** Sharing statements, processes and the event loop: 131 to 136; 133 is in transactions.ts. */
export const sharingCases: readonly CaseDefinition[] = [
  {
    number: 131,
    name: 'one bad row among fifty pushes at once: forty-nine are stored, one error, of its own caller',
    async run(world) {
      const { storage, wire } = await world.process()
      const tasks = storage.queue<number>(queue)
      wire.intercept('insert', (apply, { args }) =>
        JSON.stringify(args).includes('"bad"')
          ? Promise.reject(
              new BackendError('insert', 'the row cannot be stored', {
                transient: false,
                applied: 'no',
              }),
            )
          : apply(),
      )
      const pushes = await Promise.allSettled(
        Array.from({ length: 50 }, (_, n) => tasks.push(n, n === 31 ? { id: 'bad' } : {})),
      )
      assert.deepEqual(
        pushes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : [])),
        [31],
      )
      const [bad] = pushes.filter((push) => push.status === 'rejected')
      assert.ok(isBackendError(bad?.reason))
      assert.ok(wire.count('insert') < 50, 'the pushes shared statements')
      const args = (await world.rows(queue)).map((row) => Number(row.args))
      assert.deepEqual(
        args.toSorted((one, other) => one - other),
        Array.from({ length: 50 }, (_, n) => n).filter((n) => n !== 31),
      )
    },
  },
  {
    number: 131,
    name: 'bulk pushes that share a statement share no fate, and each stays whole',
    async run(world) {
      const { storage, wire } = await world.process()
      const tasks = storage.queue<string>(queue)
      wire.intercept('insert', (apply, { args }) =>
        JSON.stringify(args).includes('bad')
          ? Promise.reject(
              new BackendError('insert', 'the row cannot be stored', {
                transient: false,
                applied: 'no',
              }),
            )
          : apply(),
      )
      const pushes = await Promise.allSettled([
        tasks.pushBulk(['a', 'b']),
        tasks.pushBulk(['c', 'bad', 'd']),
        tasks.push('e'),
        tasks.pushBulk(['f', 'g']),
      ])
      assert.deepEqual(
        pushes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      )
      assert.deepEqual(
        (await world.rows(queue)).map(({ args }) => args),
        ['"a"', '"b"', '"e"', '"f"', '"g"'],
      )
    },
  },
  {
    number: 132,
    name: 'an error text that no storage can keep, among fifty settlements: all settle, that text made storable',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<number>(queue, { attempts: 1 })
      const huge = 'x'.repeat(50_000_000)
      const texts: readonly string[] = ['nul \u0000 here', 'lone \ud800 here', 'and \udc00', huge]
      const errors: readonly unknown[] = [
        ...texts.map((text) => new Error(text)),
        Object.assign(new Error('own'), { name: '\u0000', code: 'E\u0000\ud800' }),
        hostile(),
        circular(),
        '\u0000 just text \udfff',
        undefined,
        Object.freeze({}),
      ]
      // All at the same time, so that they share their settlement.
      const together = Promise.withResolvers<void>()
      let running = 0
      const worker = work(
        tasks,
        async (n) => {
          running += 1
          await together.promise
          if (n < errors.length) raise(errors[n])
        },
        { concurrency: 50 },
      )
      await tasks.pushBulk(Array.from({ length: 50 }, (_, n) => n))
      await world.until('all run', () => running === 50)
      together.resolve()
      await world.within(10_000, 'all are settled', async () => {
        const { done, killed } = await world.counts(queue)
        return done + killed === 50
      })
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.flatMap(({ status }, index) => (status === 'killed' ? [index] : [])),
        errors.map((_, index) => index),
      )
      for (const { errors: kept } of rows.slice(0, errors.length)) {
        const [error] = kept
        assert.ok(error)
        const text = JSON.stringify(error)
        assert.ok(error.message.isWellFormed() && !error.message.includes('\u0000'))
        assert.ok(text.isWellFormed() && !text.includes('\\u0000') && !text.includes('\\ud8'))
        assert.ok(Buffer.byteLength(error.message) <= 8_192)
        assert.ok(Buffer.byteLength(error.stack ?? '') <= 16_384)
      }
      assert.match(rows[0]?.errors[0]?.message ?? '', /^nul . here$/)
      assert.match(rows[1]?.errors[0]?.message ?? '', /^lone . here$/)
      assert.match(rows[3]?.errors[0]?.message ?? '', /^xxx/)
      await world.until('all are told', () => failures(worker, 'killed').length === errors.length)
      assert.equal(worker.context.state, 'running')
    },
  },
  {
    number: 132,
    name: 'a settlement that the storage refuses for good, among fifty: replaced by killed with EncodeError, the others stand',
    async run(world) {
      const { storage, wire, work } = await world.process()
      const tasks = storage.queue<number, string>(queue, { result: json<string>() })
      wire.intercept(settling, (apply, { args }) =>
        JSON.stringify(args).includes('unstorable')
          ? Promise.reject(
              new BackendError('settle', 'the text cannot be stored', {
                transient: false,
                applied: 'no',
              }),
            )
          : apply(),
      )
      const together = Promise.withResolvers<void>()
      let running = 0
      const worker = work(
        tasks,
        async (n) => {
          running += 1
          await together.promise
          return n === 17 ? 'unstorable' : `result ${n}`
        },
        { concurrency: 50 },
      )
      await tasks.pushBulk(Array.from({ length: 50 }, (_, n) => n))
      await world.until('all run', () => running === 50)
      together.resolve()
      await world.within(10_000, 'all are settled', async () => {
        const { done, killed } = await world.counts(queue)
        return done + killed === 50
      })
      const [killed, ...others] = (await world.rows(queue)).filter(
        ({ status }) => status === 'killed',
      )
      assert.deepEqual(others, [])
      assert.deepEqual([killed?.args, killed?.errors[0]?.code], ['17', 'ERR_ENCODE'])
      await world.until('all are told', () => failures(worker, 'killed').length === 1)
      assert.ok(isEncodeError(failures(worker, 'killed')[0]?.error))
      assert.equal(eventsOf(worker, 'success').length, 49)
      assert.equal(worker.context.state, 'running')
    },
  },
  {
    number: 135,
    name: 'one poison task among a thousand on four workers that die together: killed after three deaths, all others done',
    async run(world) {
      const watching = await world.process()
      const producing = watching.storage.queue<number>(queue)
      const poison = 517
      const pushed = await producing.pushBulk(Array.from({ length: 1_000 }, (_, n) => n))
      let deaths = 0
      for (let start = 1; ; start += 1) {
        assert.ok(start <= 5, 'the poison kills one process after the other')
        const process = await world.process()
        let alive = true
        for (const name of ['one', 'two', 'three', 'four']) {
          process.work(
            process.storage.queue<number>(queue),
            async (n) => {
              if (n === poison) {
                alive = false
                deaths += 1
                process.die()
              }
              // Whoever runs beside it dies with it.
              await sleep(process.clock, 1_000)
            },
            { name, concurrency: 50 },
          )
        }
        await world.within(300_000, 'the process dies, or all tasks have ended', async () => {
          const { done, killed } = await world.counts(queue)
          return !alive || done + killed === 1_000
        })
        if (alive) break
      }
      assert.equal(deaths, 3)
      const rows = await world.rows(queue)
      assert.deepEqual(
        rows.filter(({ status }) => status !== 'done').map(({ id, status }) => [id, status]),
        [[pushed[poison], 'killed']],
      )
      const killed = rows[poison]
      assert.deepEqual([killed?.rescues, killed?.errors.at(-1)?.code], [3, 'ERR_TASK_POISON'])
    },
  },
  {
    number: 136,
    name: 'handlers that never wait: timers and signals of the process are answered meanwhile',
    async run(world) {
      const { storage, work } = await world.process()
      const tasks = storage.queue<null>(queue)
      const backlog = Array.from({ length: 1_000 }, () => null)
      for (let pushed = 0; pushed < world.many; pushed += backlog.length) {
        await tasks.pushBulk(backlog)
      }
      let handled = 0
      // Windows knows no signals of its own.
      const answered = { timer: false, signal: process.platform === 'win32' }
      const onSignal = (): void => {
        answered.signal = true
      }
      // It arrives as SIGINT does, and means nothing to whoever runs the suite.
      process.once('SIGWINCH', onSignal)
      const timer = systemClock.setTimer(() => {
        answered.timer = true
      }, 20)
      if (!answered.signal) process.kill(process.pid, 'SIGWINCH')
      // There is always more to do until both are answered: only a loop that never yields comes to its end.
      const most = world.many * 50
      let last = 0
      work(
        tasks,
        () => {
          handled += 1
          const open = !answered.timer || !answered.signal
          if (open && handled < most) void tasks.push(null)
          else last ||= handled
        },
        { concurrency: 1_000 },
      )
      await world.until('all ran', async () => {
        const { pending, running } = await world.counts(queue)
        return handled >= world.many && pending + running === 0
      })
      timer.cancel()
      process.off('SIGWINCH', onSignal)
      assert.deepEqual(answered, { timer: true, signal: true })
      assert.ok(last < most, 'nothing was answered while tasks ran')
    },
  },
]

/** An error whose every property throws. */
function hostile(): unknown {
  return new Proxy(new Error('hidden'), {
    get() {
      throw new Error('a hostile getter')
    },
  })
}

function circular(): Error {
  const error: Error & { cause?: unknown } = new Error('circular')
  error.cause = error
  return error
}
