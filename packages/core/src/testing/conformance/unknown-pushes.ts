import assert from 'node:assert/strict'
import {
  BackendError,
  isBackendError,
  isDuplicateTaskError,
  isUnknownOutcomeError,
} from '../../errors/backend-errors.ts'
import type { PushOptions } from '../../task/task-builder.ts'
import { TaskBuilder } from '../../task/task-builder.ts'
import type { TaskSink } from '../../storage/capabilities.ts'
import type { Wire } from '../wire.ts'
import type { CaseDefinition } from './definition.ts'
import { ids, queue } from './store-kit.ts'

/** A way to push several things: all with the same answer, or each with one of its own. */
interface Way {
  readonly name: string
  /** Pushes; `known`: with these ids. One promise a call. */
  readonly push: (
    tasks: TaskSink<string>,
    args: readonly string[],
    options: (args: string) => PushOptions,
    known?: readonly string[],
  ) => readonly Promise<unknown>[]
}

const ways: readonly Way[] = [
  {
    name: 'push',
    push: (tasks, args, options, known) =>
      args.map((one, index) => tasks.push(one, { ...options(one), ...idAt(known, index) })),
  },
  {
    name: 'pushTask',
    push: (tasks, args, options, known) =>
      args.map((one, index) => tasks.pushTask(taskOf(one, options(one), known?.[index]))),
  },
  {
    name: 'pushAll',
    push: (tasks, args, options, known) => [
      tasks.pushAll(args.map((one, index) => taskOf(one, options(one), known?.[index]))),
    ],
  },
  {
    name: 'pushBulk',
    // One key for all of them would leave one task.
    push: (tasks, args, options, known) =>
      args.length === 1
        ? args.map((one) =>
            tasks.pushBulk([one], { ...options(one), ...(known && { ids: known }) }),
          )
        : [tasks.pushBulk(args, known && { ids: known })],
  },
  {
    name: 'pushStream',
    // A stream takes no ids: what it could not store is pushed again as a bulk.
    push: (tasks, args, options, known) =>
      known === undefined
        ? [tasks.pushStream(args, args.length === 1 ? options(args[0] ?? '') : {})]
        : [tasks.pushBulk(args, { ...(args.length === 1 && options(args[0] ?? '')), ids: known })],
  },
]

/** A push of which nobody knows whether it was stored. */
export const unknownPushCases: readonly CaseDefinition[] = ways.map((way): CaseDefinition => ({
  name: `a ${way.name} of unknown outcome carries the ids, stored or not, and again with them it stores each task once`,
  async run(world) {
    const { storage, wire } = await world.process()
    for (const stored of [true, false]) {
      for (const keyed of [false, true]) {
        for (const args of [['a'], ['a', 'b', 'c']]) {
          const name = `${stored} ${keyed} ${args.length}`
          const tasks = storage.queue<string>(name)
          const options = (one: string): PushOptions => (keyed ? { unique: `key of ${one}` } : {})
          loseAnswer(wire, stored)
          const unknown = await unknownIds(way.push(tasks, args, options))
          assert.equal(new Set(unknown).size, args.length, name)
          assert.deepEqual(ids(await world.rows(name)), stored ? unknown : [], name)
          for (let time = 0; time < 2; time += 1) {
            const again = await Promise.all(way.push(tasks, args, options, unknown))
            assert.deepEqual(again.flat(), unknown, name)
            const rows = await world.rows(name)
            assert.deepEqual(ids(rows), unknown, name)
            assert.deepEqual(
              rows.map((row) => row.args),
              args.map((one) => JSON.stringify(one)),
            )
          }
        }
      }
    }
  },
}))

/** What the repetition meets. */
export const repeatedPushCases: readonly CaseDefinition[] = [
  {
    name: "a push of unknown outcome with onDuplicate 'throw': again it is refused with its own id where it was stored",
    async run(world) {
      const { storage, wire } = await world.process()
      for (const stored of [true, false]) {
        const name = `stored ${stored}`
        const tasks = storage.queue<string>(name)
        const options = { unique: 'k', onDuplicate: 'throw' } as const
        loseAnswer(wire, stored)
        const [id = ''] = await unknownIds([tasks.push('a', options)])
        const again = tasks.push('a', { ...options, id })
        if (stored) {
          await assert.rejects(
            again,
            (error) => isDuplicateTaskError(error) && error.existing === id,
          )
        } else {
          assert.equal(await again, id)
        }
        assert.deepEqual(ids(await world.rows(name)), [id])
      }
    },
  },
  {
    name: 'a push that never arrived is not told from one that did: again it gives way to whoever took its key meanwhile',
    async run(world) {
      const { storage, wire } = await world.process()
      const tasks = storage.queue<string>(queue)
      loseAnswer(wire, false)
      const [id = ''] = await unknownIds([tasks.push('a', { unique: 'k' })])
      const holder = await tasks.push('b', { unique: 'k' })
      assert.equal(await tasks.push('a', { unique: 'k', id }), holder)
      assert.deepEqual(ids(await world.rows(queue)), [holder])
    },
  },
  {
    name: 'a push that was given up and arrives late, after it was pushed again, stores nothing twice',
    async run(world) {
      const { storage, wire } = await world.process({ callTimeout: '5s' })
      const tasks = storage.queue<string>(queue)
      const late = wire.hold('insert', 'before', 2)
      const calls = [tasks.push('a', { unique: 'k' }), tasks.pushBulk(['b', 'c'])]
      const unknown = Promise.all(calls.map((call) => unknownIds([call])))
      await world.advance(6_000)
      const [[id = ''] = [], bulk = []] = await unknown
      assert.equal(await tasks.push('a', { unique: 'k', id }), id)
      assert.deepEqual(await tasks.pushBulk(['b', 'c'], { ids: bulk }), bulk)
      const rows = await world.rows(queue)
      assert.deepEqual(new Set(ids(rows)), new Set([id, ...bulk]))
      late.letGo()
      await world.quiet()
      assert.deepEqual(await world.rows(queue), rows)
    },
  },
  {
    name: 'of concurrent pushes whose shared answer is lost each hears of its own ids',
    async run(world) {
      const { storage, wire } = await world.process()
      const tasks = storage.queue<string>(queue)
      for (const stored of [true, false]) {
        loseAnswer(wire, stored)
        const before = wire.count('insert')
        const calls = [tasks.push('a'), tasks.pushBulk(['b', 'c']), tasks.push('d')]
        const each = await Promise.all(calls.map((call) => unknownIds([call])))
        assert.equal(wire.count('insert'), before + 1, 'they share an insert')
        assert.deepEqual(
          each.map(({ length }) => length),
          [1, 2, 1],
        )
        const [a, bulk = [], d] = each
        const again = await Promise.all([
          tasks.push('a', { id: a?.[0] ?? '' }),
          tasks.pushBulk(['b', 'c'], { ids: bulk }),
          tasks.push('d', { id: d?.[0] ?? '' }),
        ])
        assert.deepEqual(again.flat(), each.flat())
        const rows = (await world.rows(queue)).slice(-4)
        assert.deepEqual(ids(rows), each.flat())
        assert.deepEqual(
          rows.map((row) => row.args),
          ['"a"', '"b"', '"c"', '"d"'],
        )
      }
    },
  },
]

/** The next insert is carried out or not, and nobody hears which. */
function loseAnswer<Tx>(wire: Wire<Tx>, stored: boolean): void {
  if (stored) {
    wire.loseAnswer('insert', 1)
    return
  }
  wire.intercept(
    'insert',
    () => Promise.reject(new BackendError('insert', 'the connection was lost')),
    1,
  )
}

/** The ids that calls of unknown outcome carry, in order; each has to be one. */
async function unknownIds(calls: readonly Promise<unknown>[]): Promise<readonly string[]> {
  const settled = await Promise.allSettled(calls)
  return settled.flatMap((one) => {
    assert.equal(one.status, 'rejected')
    const error: unknown = one.reason
    assert.ok(isUnknownOutcomeError(error), String(error))
    assert.ok(isBackendError(error.cause) && error.cause.applied === 'unknown')
    return error.ids
  })
}

function taskOf(
  args: string,
  { unique }: PushOptions,
  id: string | undefined,
): ReturnType<TaskBuilder<string>['build']> {
  let builder = new TaskBuilder(args)
  if (typeof unique === 'string') builder = builder.unique(unique)
  if (id !== undefined) builder = builder.id(id)
  return builder.build()
}

function idAt(known: readonly string[] | undefined, index: number): { readonly id?: string } {
  const id = known?.[index]
  return id === undefined ? {} : { id }
}
