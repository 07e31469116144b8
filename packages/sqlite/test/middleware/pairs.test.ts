import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AbortError, DeferredError, type LayerFunction, RetryAfterError, sleep } from '@apalis/core'
import { everyLayer, type Step } from './every-layer.ts'
import { Lab } from './lab.ts'

interface Pair {
  readonly name: string
  readonly outer: Step
  readonly inner: Step
}

/** Every layer around every other, and around another of its kind. */
const pairs: readonly Pair[] = Object.entries(everyLayer).flatMap(([outerName, outer]) =>
  Object.entries(everyLayer).map(([innerName, inner]) => ({
    name: `${outerName} around ${innerName}`,
    outer,
    inner,
  })),
)

describe('the first layer added is the outermost', () => {
  for (const { name, outer, inner } of pairs) {
    test(name, async () => {
      await using lab = new Lab()
      const queue = await lab.queue<string>()
      const passed: string[] = []
      const sees =
        (where: string): LayerFunction =>
        async (_, next) => {
          passed.push(`into ${where}`)
          const end = await next()
          passed.push(`out of ${where}`)
          return end
        }
      const worker = lab.run(queue, (builder) =>
        builder
          .use(sees('both'))
          .with(outer.add)
          .use(sees('the inner'))
          .with(inner.add)
          .use(sees('the handler'))
          .build(() => void passed.push('handler')),
      )
      await queue.push('task')
      await lab.clock.advance('1s')
      assert.deepEqual(passed, [
        'into both',
        'into the inner',
        'into the handler',
        'handler',
        'out of the handler',
        'out of the inner',
        'out of both',
      ])
      const names = worker.context.layers.map((layer) => layer.name)
      // Before them may stand what the worker adds.
      const [, first, , second] = names.slice(-5)
      assert.deepEqual([first, second], [outer.layerName, inner.layerName])
    })
  }
})

const endings = ['returns', 'throws', 'aborts', 'defers', 'snoozes', 'hangs', 'waits'] as const
type Ending = (typeof endings)[number]

/** What the database says in the end, whichever layers there are. */
const expected: Readonly<Record<Ending, { readonly status: string; readonly attempt: number }>> = {
  returns: { status: 'done', attempt: 1 },
  throws: { status: 'killed', attempt: 2 },
  aborts: { status: 'killed', attempt: 1 },
  defers: { status: 'killed', attempt: 2 },
  snoozes: { status: 'done', attempt: 1 },
  hangs: { status: 'killed', attempt: 2 },
  waits: { status: 'done', attempt: 1 },
}

describe('every task ends, none stays running, and acknowledgement hears of every run', () => {
  for (const { name, outer, inner } of pairs) {
    test(name, async () => {
      await using lab = new Lab()
      const queue = await lab.queue<Ending>({ attempts: 2 })
      const snoozed = new Set<string>()
      const runs = new Map<string, number>()
      const told = new Map<string, string[]>()
      await queue.pushBulk(endings, { timeout: '20s' })
      lab.run(queue, (builder) =>
        builder
          .use(async ({ id }, next) => {
            runs.set(id, (runs.get(id) ?? 0) + 1)
            return await next()
          })
          .with(outer.add)
          .with(inner.add)
          .ackWith((outcome, { parts }) => {
            told.set(parts.taskId, [...(told.get(parts.taskId) ?? []), outcome.type])
          })
          .build(async (ending, { id }) => {
            if (ending === 'throws') throw new Error('no luck')
            if (ending === 'aborts') throw new AbortError('hopeless')
            if (ending === 'defers') throw new DeferredError('again')
            if (ending === 'hangs') await new Promise(() => {})
            if (ending === 'waits') await sleep(lab.clock, 500)
            if (ending === 'snoozes' && !snoozed.has(id)) {
              snoozed.add(id)
              throw new RetryAfterError('not yet', '3s', { countAttempt: false })
            }
          }),
      )
      await lab.clock.advance('5m')
      const stored = lab.tasks().map(({ status, attempt }) => ({ status, attempt }))
      assert.deepEqual(stored, Object.values(expected))
      const tasks = await queue.listTasks({ pageSize: 100 })
      assert.equal(tasks.length, endings.length)
      for (const { parts } of tasks) {
        const outcomes = told.get(parts.taskId) ?? []
        assert.equal(outcomes.at(-1), parts.status, `${parts.taskId}: the last outcome told`)
        const made = runs.get(parts.taskId) ?? 0
        // What was claimed and not started is given back, and that is an outcome as well.
        assert.ok(
          outcomes.length >= made,
          `${parts.taskId}: ${made} runs, ${outcomes.length} outcomes`,
        )
        const used = outcomes.filter((type) => type !== 'released').length
        assert.equal(used, parts.attempt.current, `${parts.taskId}: one outcome for each attempt`)
      }
    })
  }
})
