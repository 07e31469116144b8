import assert from 'node:assert/strict'
import type { PostgresServer } from '../../support/server.ts'
import type { Entry } from './log.ts'

/** What came of it, to be told. */
export interface Verdict {
  readonly tasks: number
  /** Runs that began of tasks that were begun before, those after a failure left out. */
  readonly doubles: number
  /** Pushes of which nobody knew what had become. */
  readonly unknown: number
  readonly refused: number
  readonly lost: number
  readonly rescued: number
  /** What users heard of, by its text, and how often. */
  readonly errors: Readonly<Record<string, number>>
  /** What the server undid for another's sake, and was tried again. */
  readonly conflicts: number
}

/**
 * Whether what was promised was kept, by what all processes noted and what stands in the tables now: every push that was
 * acknowledged is done, and nothing else is there; a task ran again only after a failure, or when nothing durable had come of
 * the run before; no two runs have one epoch; what was told to be done is done by that very run, and was never run again.
 */
export async function judge(
  server: PostgresServer,
  schema: string,
  entries: readonly Entry[],
): Promise<Verdict> {
  const rows = await server.query(
    `SELECT id, status, epoch, rescues, coalesce(jsonb_array_length(failures), 0) AS failures
      FROM "${schema}".task`,
  )
  const sumOf = (what: string): number => rows.reduce((sum, row) => sum + Number(row[what]), 0)
  const of = (what: string): readonly Entry[] => entries.filter((entry) => entry.what === what)
  assert.deepEqual(
    new Set(rows.map(({ id }) => id)),
    new Set(of('pushed').map(({ id }) => id)),
    'what is stored is not what was acknowledged',
  )
  const open = rows.filter(({ status }) => status !== 2)
  assert.deepEqual(open, [], 'not everything is done')
  const epochs = new Map(rows.map(({ id, epoch }) => [id, Number(epoch)]))
  const runs = checkRuns(of('run'), epochs)
  checkOutcomes(entries, epochs)
  await checkRest(server, schema, rows.length)
  return {
    tasks: rows.length,
    doubles: runs - rows.length - sumOf('failures'),
    unknown: of('unknown').length,
    refused: of('refused').length,
    lost: of('lost').length,
    rescued: sumOf('rescues'),
    errors: counted(of('error').map(({ id, rest }) => `${id}: ${rest.join(' ')}`)),
    conflicts: of('conflicts').reduce((sum, { epoch }) => sum + epoch, 0),
  }
}

/** The runs of each task are of epochs that grow, and the last is the one that the row shows. Gives back how many there were. */
function checkRuns(starts: readonly Entry[], epochs: ReadonlyMap<unknown, number>): number {
  for (const [id, runs] of Map.groupBy(starts, (entry) => entry.id)) {
    const began = runs.map(({ epoch }) => epoch)
    const grown = began.every((epoch, index) => index === 0 || epoch > (began[index - 1] ?? 0))
    assert.ok(grown, `the runs of ${id} have the epochs ${began.join(', ')}`)
    assert.equal(began.at(-1), epochs.get(id), `the last run of ${id} is not what its row shows`)
  }
  assert.equal(new Set(starts.map(({ id }) => id)).size, epochs.size, 'not everything was run')
  return starts.length
}

/** What was told is what the row shows; nothing was told twice, and nothing of a failed run but once. */
function checkOutcomes(entries: readonly Entry[], epochs: ReadonlyMap<unknown, number>): void {
  const told = new Set<string>()
  for (const { what, id, epoch } of entries) {
    if (!['success', 'failed', 'killed', 'released'].includes(what)) continue
    const key = `${id} under ${epoch}`
    assert.ok(!told.has(key), `two outcomes were told of ${key}`)
    told.add(key)
    if (what === 'success') assert.equal(epoch, epochs.get(id), `${id} ran after it was done`)
    else assert.equal(what, 'failed', `${key} was ${what}`)
  }
}

/** Nobody holds anything, and what is counted is what is there. */
async function checkRest(server: PostgresServer, schema: string, tasks: number): Promise<void> {
  const [rest] = await server.query(
    `SELECT (SELECT count(*)::int FROM "${schema}".claim) AS claims,
      (SELECT count(*)::int FROM "${schema}".awaited) AS awaited,
      (SELECT count(*)::int FROM "${schema}".ended CROSS JOIN unnest(ids)) AS ended,
      sum(pending)::int AS pending, sum(running)::int AS running, sum(done)::int AS done,
      sum(failed)::int AS failed, sum(killed)::int AS killed, sum(future)::int AS future
      FROM "${schema}".tally`,
  )
  assert.deepEqual(rest, {
    claims: 0,
    awaited: 0,
    ended: tasks,
    pending: 0,
    running: 0,
    done: tasks,
    failed: 0,
    killed: 0,
    future: 0,
  })
}

function counted(texts: readonly string[]): Readonly<Record<string, number>> {
  const all = Map.groupBy(texts, (text) => text.replaceAll(/\d{3,}/g, 'N'))
  return Object.fromEntries(Array.from(all, ([text, those]) => [text, those.length]))
}
