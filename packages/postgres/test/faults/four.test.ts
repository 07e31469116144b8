import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { long } from '../support/long.ts'
import { findOwnPostgres } from '../support/server.ts'
import { Scene } from './support/scene.ts'

const LOAD_MS = long ? 120_000 : 0

const { open, missing: skip } = findOwnPostgres()
// Each error begins with its code.
const server = await open?.({ settings: { log_line_prefix: '%e ' } })
after(() => server?.[Symbol.asyncDispose]())

test(
  'four processes at full load: nobody hears of a deadlock, and each was tried again',
  { skip },
  async (t) => {
    assert.ok(server)
    await using scene = await Scene.open(server, { lease: 10_000 })
    const { schema, processes } = scene
    for (let count = 0; count < 4; count += 1) scene.working({ limit: 25 })
    const mixing = [scene.mixing(), scene.mixing()]
    const most = long ? 1e9 : 1_000
    const pushing = [scene.pushing({ atOnce: 16, most, args: { ms: 0 } })]
    await scene.ready()
    await sleep(systemClock, LOAD_MS)
    await scene.more('call', 500)
    await scene.more('success', 500)
    assert.deepEqual([...new Set(await processes.stop([...mixing, ...pushing]))], [0])
    await scene.drained([2, 4])
    assert.deepEqual([...new Set(await processes.stop())], [0])
    assert.equal(processes.output, '')
    const failures = scene.entries('failure').map(({ id, rest }) => `${id}: ${rest.join(' ')}`)
    assert.deepEqual(failures, [])
    assert.deepEqual(scene.entries('error'), [])
    assert.deepEqual(scene.entries('refused'), [])
    const raised = server.log().match(/^(?:40P01|40001) ERROR/gm)?.length ?? 0
    const counted = scene.entries('conflicts').reduce((sum, { epoch }) => sum + epoch, 0)
    t.diagnostic(
      `${scene.entries('call').length} calls, ${scene.entries('run').length} runs, ${raised} conflicts`,
    )
    assert.equal(counted, raised)
    await checkRows(schema)
    // Ids that were removed are pushed anew by the others, and begin anew.
    const once = new Set(scene.entries('pushed').map(({ id }) => id))
    const runs = scene.entries('run').filter(({ id }) => once.has(id))
    const claims = new Set(runs.map(({ id, epoch }) => `${id} ${epoch}`))
    assert.equal(claims.size, runs.length, 'two runs under one epoch')
  },
)

/** What is counted is what is there, and nobody holds anything. */
async function checkRows(schema: string): Promise<void> {
  const rows = await server?.query(
    `SELECT (SELECT count(*)::int FROM "${schema}".claim) AS claims,
      (SELECT sum(done)::int FROM "${schema}".tally) AS done,
      (SELECT sum(killed)::int FROM "${schema}".tally) AS killed,
      (SELECT sum(pending + running + failed + future)::int FROM "${schema}".tally) AS open,
      count(*) FILTER (WHERE status = 2)::int AS "isDone",
      count(*) FILTER (WHERE status = 4)::int AS "isKilled"
      FROM "${schema}".task`,
  )
  const [row] = rows ?? []
  const { done, killed } = row ?? {}
  assert.deepEqual(row, { done, killed, claims: 0, open: 0, isDone: done, isKilled: killed })
}
