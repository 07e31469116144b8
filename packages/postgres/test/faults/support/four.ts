import assert from 'node:assert/strict'
import { sleep, systemClock } from '@apalis/core'
import { findOwnPostgres, type OwnPostgresServer } from '../../support/server.ts'
import { Scene } from './scene.ts'

/** What came of it. */
export interface Four {
  /** Runs that began. */
  readonly runs: number
  /** Other calls than those of workers. */
  readonly calls: number
  /** What the server undid for another's sake. */
  readonly conflicts: number
}

/** A server that tells the code of each error in its log. */
export async function openFourServer(): Promise<OwnPostgresServer> {
  const { open, missing } = findOwnPostgres()
  if (open === undefined) throw new Error(missing)
  return open({ settings: { log_line_prefix: '%e ' } })
}

/**
 * Four processes that work, two that do whatever a user may do, and one that pushes, for so many milliseconds. Throws
 * when a user heard of any error, when the server undid something that was not counted, or when what is counted is not what
 * is there.
 */
export async function runFour(server: OwnPostgresServer, loadMs: number): Promise<Four> {
  await using scene = await Scene.open(server, { lease: 10_000 })
  const { schema, processes } = scene
  for (let count = 0; count < 4; count += 1) scene.working({ limit: 25 })
  const mixing = [scene.mixing(), scene.mixing()]
  // Those that mix are the load; this one keeps the workers busy.
  const pushing = [scene.pushing({ atOnce: 16, pauseMs: 20, args: { ms: 0 } })]
  await scene.ready()
  await sleep(systemClock, loadMs)
  await scene.more('call', 300)
  await scene.more('success', 300)
  assert.deepEqual([...new Set(await processes.stop([...mixing, ...pushing]))], [0])
  await scene.drained([2, 4])
  assert.deepEqual([...new Set(await processes.stop())], [0])
  assert.equal(processes.output, '')
  const troubles = scene
    .entries()
    .filter(({ what }) => ['failure', 'error', 'refused', 'unknown'].includes(what))
  assert.deepEqual(
    troubles.map(({ what, id, rest }) => `${what} ${id}: ${rest.join(' ')}`),
    [],
  )
  const raised = server.log().match(/^(?:40P01|40001) ERROR/gm)?.length ?? 0
  const counted = scene.entries('conflicts').reduce((sum, { epoch }) => sum + epoch, 0)
  assert.equal(counted, raised)
  await checkRows(server, schema)
  // Ids that were removed are pushed anew by those that mix, and begin anew.
  const once = new Set(scene.entries('pushed').map(({ id }) => id))
  const runs = scene.entries('run').filter(({ id }) => once.has(id))
  const claims = new Set(runs.map(({ id, epoch }) => `${id} ${epoch}`))
  assert.equal(claims.size, runs.length, 'two runs under one epoch')
  const calls = scene.entries('call').length
  return { runs: scene.entries('run').length, calls, conflicts: raised }
}

/** What is counted is what is there, and nobody holds anything. */
async function checkRows(server: OwnPostgresServer, schema: string): Promise<void> {
  const [row] = await server.query(
    `SELECT (SELECT count(*)::int FROM "${schema}".claim) AS claims,
      (SELECT sum(done)::int FROM "${schema}".tally) AS done,
      (SELECT sum(killed)::int FROM "${schema}".tally) AS killed,
      (SELECT sum(pending + running + failed + future)::int FROM "${schema}".tally) AS open,
      count(*) FILTER (WHERE status = 2)::int AS "isDone",
      count(*) FILTER (WHERE status = 4)::int AS "isKilled"
      FROM "${schema}".task`,
  )
  const { done, killed } = row ?? {}
  assert.deepEqual(row, { done, killed, claims: 0, open: 0, isDone: done, isKilled: killed })
}
