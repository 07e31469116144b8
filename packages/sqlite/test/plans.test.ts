import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { CLAIM_MANY, NEXT_DUE, NEXT_ROWS, PROMOTE } from '../src/claim.ts'
import { ANY_READY, HELD, HOLDERS } from '../src/leases.ts'
import { ODD } from '../src/odd-rows.ts'
import { PURGEABLE } from '../src/purge.ts'
import { SETTLE_DONE, SETTLE_MANY_DONE } from '../src/settle.ts'
import { testFolder } from './support/files.ts'
import { openStore } from './support/stores.ts'

const queue = 'work'
const future = 20_000

/** What a claim, a beat and a settle do, each with every way in which it may go to the tasks. */
const plans: Readonly<Record<string, readonly [sql: string, ways: readonly string[]]>> = {
  'the rows to claim': [NEXT_ROWS, ['apalis_task_ready (queue=? AND lane=?)']],
  'claiming them': [CLAIM_MANY, ['PRIMARY KEY (rowid=?)']],
  'when the next is due': [NEXT_DUE, ['apalis_task_future (queue=? AND due_at>?)']],
  'what has become due': [
    PROMOTE,
    ['PRIMARY KEY (rowid=?)', 'apalis_task_future (queue=? AND due_at<?)'],
  ],
  'whether any is ready': [ANY_READY, ['apalis_task_ready (queue=? AND lane>?)']],
  'what a worker holds': [HELD, ['apalis_task_running (queue=? AND worker=?)']],
  'who holds anything': [
    HOLDERS,
    ['apalis_task_running (queue=?)', 'apalis_task_running (queue=? AND worker>?)'],
  ],
  'what was written by hand': [ODD, ['apalis_task_odd (queue=?)']],
  'the end of a claim': [SETTLE_DONE, ['apalis_task_id (queue=? AND id=?)']],
  'the end of many': [SETTLE_MANY_DONE, ['apalis_task_id (queue=? AND id=?)']],
  'what to purge': [PURGEABLE, ['apalis_task_finished (queue=? AND status=? AND finished_at<?)']],
}

/** Many tasks that are not due at three priorities, and none that is. */
async function fill(path: string): Promise<void> {
  const store = await openStore(path, { synchronous: 'normal' })
  for (let from = 0; from < future; from += 1_000) {
    await store.insert(
      queue,
      Array.from({ length: 1_000 }, (_, index) => ({
        id: `task ${from + index}`,
        args: '{}',
        priority: (from + index) % 3,
        attempts: 5,
        delayMs: 3_600_000 + from + index,
      })),
    )
  }
  await store.close()
}

function check(connection: DatabaseSync, sql: string, ways: readonly string[]): void {
  const steps = connection
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail))
  const plan = steps.join('\n')
  assert.deepEqual(
    steps.filter((step) => /SCAN apalis_task|TEMP B-TREE/.test(step)),
    [],
    plan,
  )
  const taken = steps.filter((step) => step.startsWith('SEARCH apalis_task'))
  assert.equal(taken.length, ways.length, plan)
  for (const [index, way] of ways.entries()) assert.ok(taken[index]?.endsWith(way), plan)
}

test('claims and beats are searches in an index, however many tasks wait for their time', async (t) => {
  using folder = testFolder()
  const path = folder.file()
  await fill(path)
  const connection = new DatabaseSync(path)
  for (const [what, [sql, ways]] of Object.entries(plans)) {
    await t.test(what, () => check(connection, sql, ways))
  }
  connection.exec('ANALYZE')
  for (const [what, [sql, ways]] of Object.entries(plans)) {
    await t.test(`${what}, by the statistics of what is there`, () => check(connection, sql, ways))
  }
  connection.close()
})
