import assert from 'node:assert/strict'
import type { StoreBeat } from '../../storage/task-store.ts'
import { claiming } from '../wire.ts'
import type { CaseDefinition } from './definition.ts'
import { Desk, type Run, Failing, failures, Notes } from './kit.ts'
import { claim, enlist, newRow, numbered, queue, rescuing } from './store-kit.ts'
import type { World } from './world.ts'

/** Who is rescued, by whom, and how often: 44 to 46. */
export const rescueCases: readonly CaseDefinition[] = [
  {
    number: 44,
    name: 'a task whose workers die is killed at the third death, once, with a reason of its own; failures in between do not count',
    async run(world) {
      const options = { attempts: 5, backoff: () => 0 }
      const desk = new Desk<string>()
      const watching = await world.process()
      const id = await watching.storage.queue<string>(queue, options).push('a')
      // It watches and rescues, and may not run anything itself.
      const watcher = watching.work(watching.storage.queue<string>(queue, options), desk.handler, {
        layers: [],
        concurrency: 1,
      })
      watcher.context.pause()
      await world.quiet()
      const seen: number[] = []
      for (const death of [1, 2, 3]) {
        const dying = await world.process()
        const failing = new Failing()
        dying.work(dying.storage.queue<string>(queue, options), (args, request) =>
          death === 2 && failing.calls === 0
            ? failing.handler(args, request)
            : desk.handler(args, request),
        )
        await world.within(60_000, `run ${death}`, () => desk.runs.length === death)
        seen.push((await world.row(queue, id)).rescues)
        dying.die()
        await world.within(60_000, `rescue ${death}`, async () => {
          const row = await world.row(queue, id)
          return row.status !== 'running'
        })
      }
      assert.deepEqual(seen, [0, 1, 2])
      await world.until('it is told', () => failures(watcher, 'killed').length === 1)
      await world.advance(60_000)
      assert.equal(failures(watcher, 'killed').length, 1)
      const row = await world.row(queue, id)
      assert.deepEqual([row.status, row.rescues, row.attempt], ['killed', 3, 1])
      assert.deepEqual(
        row.errors.map(({ code, message }) => code ?? message),
        ['failure 1', 'ERR_TASK_POISON'],
      )
    },
  },
  {
    number: 45,
    name: 'two live processes rescue at the same time: each task once',
    async run(world) {
      const dying = await world.process()
      const desk = new Desk<number>()
      const producing = dying.storage.queue<number>(queue)
      const all = Array.from({ length: 20 }, (_, index) => index)
      await producing.pushBulk(all)
      dying.work(producing, desk.handler, { concurrency: 20 })
      await world.until('all run', () => desk.open === 20)
      const notes = new Notes<number>()
      for (const name of ['one', 'two']) {
        const { storage, work } = await world.process()
        work(storage.queue<number>(queue), notes.handler, { name })
      }
      await world.quiet()
      dying.die()
      await world.within(
        60_000,
        'all are done',
        async () => (await world.counts(queue)).done === 20,
      )
      await world.advance(30_000)
      assert.deepEqual(notes.doubled, [])
      assert.ok(
        (await world.rows(queue)).every(({ rescues, attempt }) => rescues === 1 && attempt === 1),
      )
    },
  },
  {
    number: 46,
    name: 'a rescued task keeps its place: before those that arrived later, behind those of higher priority',
    async run(world) {
      const dying = await world.process()
      const producing = dying.storage.queue<string>(queue)
      const desk = new Desk<string>()
      await producing.push('oldest')
      dying.work(producing, desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      const other = await world.process()
      const tasks = other.storage.queue<string>(queue)
      const second = new Desk<string>()
      other.work(tasks, second.handler, { concurrency: 1 })
      await tasks.push('busy', { priority: 1 })
      await world.until('the other is busy', () => second.open === 1)
      await world.advance(1_000)
      await tasks.push('younger')
      await tasks.push('urgent', { priority: 1 })
      dying.die()
      await world.within(
        60_000,
        'it is rescued',
        async () => (await world.counts(queue)).running === 1,
      )
      for (const [index, args] of ['busy', 'urgent', 'oldest', 'younger'].entries()) {
        await world.until(`run ${index + 1} begins`, () => second.runs.length === index + 1)
        assert.equal(second.at(index).args, args)
        second.at(index).finish(undefined)
      }
    },
  },
  {
    name: 'after a stand-still of the whole machine nobody is rescued before everybody had the chance to beat',
    async run(world) {
      const one = await world.process()
      const other = await world.process()
      const desk = new Desk<string>()
      const id = await one.storage.queue<string>(queue).push('a')
      one.work(one.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      other.work(other.storage.queue<string>(queue), desk.handler)
      await world.quiet()
      one.freeze()
      other.freeze()
      await world.advance(60_000, { step: 20_000 })
      other.thaw()
      await world.advance(8_000)
      assert.equal((await world.row(queue, id)).rescues, 0)
      one.thaw()
      await world.within(20_000, 'the task runs again', () => desk.runs.length === 2)
      const { rescues, attempt } = await world.row(queue, id)
      assert.deepEqual([rescues, attempt], [0, 1])
    },
  },
  {
    name: 'an answer that a stand-still of the machine has held up is no reason to rescue at once',
    async run(world) {
      const dying = await world.process()
      const one = await world.process()
      const other = await world.process({ callTimeout: '2m' })
      const desk = new Desk<string>()
      const tasks = one.storage.queue<string>(queue)
      const dead = await tasks.push('dead')
      dying.work(dying.storage.queue<string>(queue), desk.handler, { concurrency: 1 })
      await world.until('it runs', () => desk.open === 1)
      const id = await tasks.push('asleep')
      one.work(tasks, desk.handler, { concurrency: 1 })
      await world.until('the other runs', () => desk.open === 2)
      one.wire.refuse('rescue')
      let asleep = false
      other.wire.intercept('beat', async (apply) => {
        const beat = await apply()
        // What the store's method of that name answers.
        if (!asleep && (beat as StoreBeat).rescueIn === 0) {
          asleep = true
          one.freeze()
          other.freeze()
        }
        return beat
      })
      const notes = new Notes<string>()
      other.work(other.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      dying.die()
      await world.within(60_000, 'the machine sleeps', () => asleep)
      await world.advance(60_000, { step: 20_000 })
      other.thaw()
      await world.advance(8_000)
      assert.equal((await world.row(queue, id)).rescues, 0)
      one.thaw()
      await world.within(60_000, 'both run again', () => notes.args.length + desk.runs.length > 3)
      assert.equal((await world.row(queue, id)).rescues, 0)
      assert.equal((await world.row(queue, dead)).rescues, 1)
    },
  },
  {
    name: 'a process that was late itself rescues after two beats on time',
    async run(world) {
      const dying = await world.process()
      const late = await world.process()
      const desk = new Desk<string>()
      await dying.storage.queue<string>(queue).push('a')
      dying.work(dying.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const notes = new Notes<string>()
      late.work(late.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      dying.die()
      late.freeze()
      await world.advance(60_000, { step: 20_000 })
      late.thaw()
      await world.within(60_000, 'the late process runs it', () => notes.args.length === 1)
    },
  },
  {
    name: 'resumeAbandoned takes what dead workers hold, now, and nothing from the living',
    async run(world) {
      const dying = await world.process()
      const living = await world.process()
      const desk = new Desk<string>()
      const tasks = living.storage.queue<string>(queue)
      await tasks.pushBulk(['a', 'b'])
      dying.work(dying.storage.queue<string>(queue), desk.handler, { concurrency: 1 })
      await world.until('one runs', () => desk.open === 1)
      living.work(tasks, desk.handler, { concurrency: 1 })
      await world.until('the other runs', () => desk.open === 2)
      assert.equal(await tasks.resumeAbandoned(), 0)
      living.wire.refuse('rescue')
      dying.die()
      await world.advance(40_000)
      assert.equal((await world.counts(queue)).running, 2)
      const admin = await world.process()
      assert.equal(await admin.storage.queue<string>(queue).resumeAbandoned(), 1)
      const { running, pending } = await world.counts(queue)
      assert.deepEqual([running, pending], [1, 1])
    },
  },
  {
    name: 'a rescue that finds a worker without its tasks forgets it; lists show who lives',
    async run(world) {
      const dying = await world.process()
      const living = await world.process()
      dying.work(dying.storage.queue<string>(queue), () => {}, { name: 'dying' })
      living.work(living.storage.queue<string>(queue), () => {}, { name: 'living' })
      await world.quiet()
      const listed = async (): Promise<readonly (readonly [string, boolean])[]> =>
        (await living.storage.queue<string>(queue).listWorkers())
          .map(({ name, live }) => [name, live] as const)
          .toSorted(([one], [other]) => one.localeCompare(other))
      assert.deepEqual(await listed(), [
        ['dying', true],
        ['living', true],
      ])
      dying.die()
      await world.advance(35_000)
      assert.deepEqual((await listed()).at(-1), ['living', true])
      const store = await world.store()
      await store.insert(queue, [newRow('a')])
      await living.storage.queue<string>(queue).resumeAbandoned()
      assert.deepEqual(await listed(), [['living', true]])
    },
  },
  {
    name: 'suspects: one at a time in a process, however many workers it has, and the next as soon as that one has ended',
    async run(world) {
      await insertSuspects(world, 6)
      const store = await world.store()
      await store.insert(
        queue,
        numbered(4, 'plain').map((id) => newRow(id)),
      )
      const desk = new Desk<string>()
      const suspects = (): readonly Run<string>[] =>
        desk.runs.filter(({ args }) => args.startsWith('suspect'))
      const { storage, work } = await world.process()
      for (const name of ['one', 'two', 'three']) {
        work(storage.queue<string>(queue), desk.handler, { name, concurrency: 5 })
      }
      await world.until('the plain ones run', () => desk.open === 5)
      await world.advance(25_000)
      assert.equal(suspects().length, 1)
      // No time passes: whoever left a suspect is woken.
      for (let next = 2; next <= 3; next += 1) {
        suspects().at(-1)?.finish(undefined)
        await world.until(`suspect ${next} runs`, () => suspects().length === next)
      }
      const other = await world.process()
      other.work(other.storage.queue<string>(queue), desk.handler)
      await world.until('another process runs one beside it', () => suspects().length === 4)
      await world.advance(25_000)
      assert.equal(suspects().length, 4)
    },
  },
  {
    name: 'a worker that stops without having reached the storage keeps no permit: another of its process gets the next suspect',
    async run(world) {
      await insertSuspects(world, 2)
      const { storage, wire, work } = await world.process()
      const desk = new Desk<string>()
      wire.loseAnswer(claiming, 1)
      // The first beat comes through, those after it do not.
      wire.intercept('beat', (apply) => apply(), 1)
      const heal = wire.refuse(['beat', 'leave'])
      const stopped = work(storage.queue<string>(queue), desk.handler, { concurrency: 1 })
      await world.until('it has claimed', () => wire.count(claiming) > 0)
      await world.quiet()
      stopped.context.stop()
      await world.within(20_000, 'it has stopped', () => stopped.over)
      heal()
      work(storage.queue<string>(queue), desk.handler, { concurrency: 1 })
      await world.within(10_000, 'the next one runs', () => desk.open === 1)
    },
  },
  {
    name: 'a rescue that fails is told and tried again with the beats, not in a loop',
    async run(world) {
      const dying = await world.process()
      const living = await world.process()
      const desk = new Desk<string>()
      await dying.storage.queue<string>(queue).push('a')
      dying.work(dying.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const notes = new Notes<string>()
      const worker = living.work(living.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      dying.die()
      const heal = living.wire.refuse('rescue')
      const before = living.wire.count(['beat', 'rescue'])
      await world.advance(90_000)
      const calls = living.wire.count(['beat', 'rescue']) - before
      assert.ok(calls >= 10 && calls <= 30, `${calls} calls`)
      assert.ok(
        worker.events.some((event) => 'operation' in event && event.operation === 'rescue'),
        'the failure is told',
      )
      heal()
      await world.within(15_000, 'it is rescued', () => notes.args.length === 1)
    },
  },
  {
    name: 'beats that somebody asks for in between put no rescue off',
    async run(world) {
      const dying = await world.process()
      const late = await world.process()
      const store = await world.store()
      const desk = new Desk<string>()
      await dying.storage.queue<string>(queue).push('a')
      dying.work(dying.storage.queue<string>(queue), desk.handler)
      await world.until('it runs', () => desk.open === 1)
      const notes = new Notes<string>()
      late.work(late.storage.queue<string>(queue), notes.handler)
      await world.quiet()
      dying.die()
      late.freeze()
      await world.advance(60_000, { step: 20_000 })
      late.thaw()
      for (let round = 0; round < 12 && notes.args.length === 0; round += 1) {
        await store.pause(queue, true)
        await store.pause(queue, false)
        await world.advance(4_000)
      }
      assert.equal(notes.args.length, 1)
    },
  },
]

/** Stores tasks whose workers have died twice. */
async function insertSuspects<Tx>(world: World<Tx>, count: number): Promise<void> {
  const store = await world.store()
  await store.insert(
    queue,
    numbered(count, 'suspect').map((id) => newRow(id)),
  )
  for (const death of [1, 2]) {
    assert.equal((await claim(store, await enlist(store, `dying ${death}`))).length, count)
    await world.advance(35_000, { step: 35_000 })
    assert.equal((await store.rescue(queue, 100, rescuing)).length, count)
  }
}
