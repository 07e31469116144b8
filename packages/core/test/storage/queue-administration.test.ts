import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isTaskKilledError } from '../../src/errors/task-errors.ts'
import { OptionError } from '../../src/internal/validate.ts'
import { Lab } from './lab.ts'

const register = (lab: Lab, id: string, leaseMs = 60_000) =>
  lab.memory.register({ id, name: id, queue: 'q', leaseMs, layers: [] })

describe('Queue.resumeAbandoned', () => {
  it('takes the tasks of dead workers in batches, and leaves those of the living', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await queue.pushBulk(Array.from({ length: 2_500 }, (_, n) => n))
    await register(lab, 'dead', 1_000)
    await lab.memory.claim({ id: 'dead', queue: 'q' }, 2_400, { suspects: 1 })
    await lab.clock.advance('1s')
    await lab.claim('q', { worker: 'living' })
    assert.equal(await queue.resumeAbandoned(), 2_400)
    assert.deepEqual(
      lab.store.calls('rescue').map(([, limit]) => limit),
      [1_000, 1_000, 1_000, 1_000],
    )
    const counts = await lab.memory.count('q')
    assert.deepEqual([counts.pending, counts.running], [2_400, 100])
    assert.equal((await lab.rows('q'))[0]?.rescues, 1)
    assert.equal(await queue.resumeAbandoned(), 0)
  })

  it('kills what its workers died of, and tells whoever waits for it', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q', { maxRescues: 3 })
    const id = await queue.push(1)
    const waiting = assert.rejects(queue.result(id), (error) => {
      assert.ok(isTaskKilledError(error))
      return String(error.cause) === 'PoisonError: the worker that ran it died 3 times'
    })
    for (let death = 1; death <= 3; death += 1) {
      await register(lab, `worker ${death}`, 1_000)
      await lab.memory.claim({ id: `worker ${death}`, queue: 'q' }, 1, { suspects: 1 })
      await lab.clock.advance('1s')
      assert.equal(await queue.resumeAbandoned(), 1)
    }
    await waiting
    assert.equal((await lab.row('q', id)).status, 'killed')
  })
})

describe('Queue.vacuum', () => {
  it('forgets the finished, in batches, and says how many', async () => {
    const lab = new Lab({ keepFinished: 10_000 })
    const queue = lab.storage.queue<number>('q')
    await queue.pushBulk(Array.from({ length: 2_100 }, (_, n) => n))
    await queue.kill((await lab.rows('q'))[0]?.id ?? '')
    const running = await lab.claim('q', { limit: 2_050 })
    await lab.settle('q', running.slice(0, 2_000), { type: 'done' })
    assert.equal(await queue.vacuum(), 2_001)
    const { done, killed, running: left, pending } = await lab.memory.count('q')
    assert.deepEqual([done, killed, left, pending], [0, 0, 50, 49])
    for (const [, { limit }] of lab.store.calls('purge')) assert.equal(limit, 1_000)
  })

  it('goes by status and age', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    const [old = '', killed = '', young = ''] = await queue.pushBulk([1, 2, 3])
    await lab.settle('q', await lab.claim('q', { limit: 1 }), { type: 'done' })
    await queue.kill(killed)
    await lab.clock.advance('1h')
    await lab.finish('q')
    assert.equal(await queue.vacuum({ status: 'done', olderThan: '30m' }), 1)
    assert.deepEqual(
      (await queue.checkStatus([old, killed, young])).map(({ status }) => status),
      [undefined, 'killed', 'done'],
    )
    assert.equal(await queue.vacuum({ status: 'killed' }), 1)
    assert.equal(await queue.vacuum({ olderThan: '1d' }), 0)
    await assert.rejects(queue.vacuum({ status: 'failed' as never }), OptionError)
    await assert.rejects(queue.vacuum({ olderThan: -1 }), OptionError)
    await assert.rejects(queue.vacuum({ grace: 1 } as never), OptionError)
  })
})

describe('Queue.pause', () => {
  it('stops the claims of every worker until resume', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await queue.push(1)
    assert.equal(await queue.isPaused(), false)
    await queue.pause()
    await queue.pause()
    assert.equal(await queue.isPaused(), true)
    assert.equal(await lab.storage.queue('other').isPaused(), false)
    assert.equal((await lab.claim('q')).length, 0)
    await queue.push(2)
    await queue.resume()
    assert.equal(await queue.isPaused(), false)
    assert.equal((await lab.claim('q')).length, 2)
  })
})

describe('workers', () => {
  it('are registered, listed by queue and by storage, with their leases', async () => {
    const lab = new Lab({ lease: '20s' })
    const queue = lab.storage.queue<number>('q')
    const began = lab.clock.now()
    await queue.registerWorker({ id: 'a', name: 'mailer', layers: ['timeout', 'concurrency'] })
    await lab.storage.queue('r').registerWorker({ id: 'b', name: 'other', lease: '1s' })
    await queue.push(1)
    await lab.memory.claim({ id: 'a', queue: 'q' }, 1, { suspects: 1 })
    await lab.clock.advance('2s')
    assert.deepEqual(await queue.listWorkers(), [
      {
        id: 'a',
        name: 'mailer',
        queue: 'q',
        layers: ['timeout', 'concurrency'],
        startedAt: new Date(began),
        lastBeatAt: new Date(began),
        leaseMs: 20_000,
        live: true,
        held: 1,
      },
    ])
    assert.deepEqual(
      (await lab.storage.listWorkers()).map(({ id, live }) => [id, live]),
      [
        ['a', true],
        ['b', false],
      ],
    )
  })

  it('are refused with what no storage could keep', async () => {
    const queue = new Lab().storage.queue<number>('q')
    for (const worker of [
      { id: '', name: 'x' },
      { id: 'x', name: '' },
      { id: 'x', name: 'x', lease: 1 },
      { id: 'x', name: 'x', layers: 'timeout' },
      { id: 'x', name: 'x', layers: [''] },
      { id: 'x', name: 'x', host: 'here' },
    ]) {
      await assert.rejects(queue.registerWorker(worker as never), OptionError)
    }
  })
})

describe('queues', () => {
  it('are listed when they have tasks or are paused', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    await queue.push(1)
    await lab.storage.queue('paused').pause()
    lab.storage.queue('never used')
    const queues = [
      { name: 'q', paused: false },
      { name: 'paused', paused: true },
    ]
    assert.deepEqual(await lab.storage.listQueues(), queues)
    assert.deepEqual(await queue.listQueues(), queues)
  })

  it('are data, whatever their names', async () => {
    const lab = new Lab()
    const names = ["'; DROP TABLE tasks; --", '{q}:*', 'größer ✓', '__proto__', 'x'.repeat(255)]
    for (const name of names) {
      const queue = lab.storage.queue<string>(name)
      const id = await queue.push(name)
      assert.equal((await queue.fetchById(id))?.args, name)
    }
    assert.deepEqual(
      (await lab.storage.listQueues()).map(({ name }) => name),
      names,
    )
    for (const name of ['', 'x'.repeat(256), '€'.repeat(86), 'a\u0000', '\ud800', 5, undefined]) {
      assert.throws(() => lab.storage.queue(name as never), OptionError)
    }
  })
})

describe('Queue.metrics', () => {
  it('counts tasks by status, those that are due, and the workers that live', async () => {
    const lab = new Lab()
    const queue = lab.storage.queue<number>('q')
    assert.deepEqual(await queue.metrics(), {
      pending: 0,
      running: 0,
      done: 0,
      failed: 0,
      killed: 0,
      due: 0,
      oldestDueMs: undefined,
      paused: false,
      workers: 0,
    })
    await queue.pushBulk([1, 2, 3, 4, 5])
    const [done, failed] = await lab.claim('q', { limit: 3 })
    if (done === undefined || failed === undefined) assert.fail()
    await lab.settle('q', [done], { type: 'done' })
    const error = { name: 'Error', message: 'no' }
    await lab.settle('q', [failed], { type: 'failed', error, retryInMs: 60_000 })
    await queue.kill((await lab.rows('q'))[4]?.id ?? '')
    await queue.push(6, { delay: '1m' })
    await queue.registerWorker({ id: 'dead', name: 'dead', lease: '1s' })
    await queue.pause()
    await lab.clock.advance('2s')
    assert.deepEqual(await queue.metrics(), {
      pending: 2,
      running: 1,
      done: 1,
      failed: 1,
      killed: 1,
      due: 1,
      oldestDueMs: 2_000,
      paused: true,
      workers: 1,
    })
  })
})
