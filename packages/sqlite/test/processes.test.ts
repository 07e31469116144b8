import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { SqliteStorage } from '@apalis/sqlite'
import { testFolder } from './support/files.ts'
import { long } from './support/long.ts'
import { type Program, start } from './support/programs.ts'

const PROCESSES = long ? 4 : 3
const TASKS = long ? 100_000 : 6_000
const LEAST_KILLS = long ? 10 : 3

/** One process, by its log. */
interface Run {
  readonly program: Program
  readonly log: string
  killed: boolean
}

test('processes on one file, one killed again and again: each task done, and few done twice', async (t) => {
  using folder = testFolder()
  const path = folder.file()
  await using storage = await SqliteStorage.open(path)
  const tasks = storage.queue<number>('numbers')
  const runs: Run[] = []
  const work = async (): Promise<Run> => {
    const log = folder.file(`log${runs.length}`)
    const run = { program: start('worker.ts', [path, log]), log, killed: false }
    runs.push(run)
    await run.program.printed('working')
    return run
  }
  const running = await Promise.all(Array.from({ length: PROCESSES }, work))
  await tasks.pushStream(Array.from({ length: TASKS }, (_, index) => index))
  const doneAre = async (count: number): Promise<void> => {
    while ((await tasks.metrics()).done < count) await sleep(systemClock, 5)
  }
  let kills = 0
  for (; long || kills < LEAST_KILLS; kills += 1) {
    if (long) await sleep(systemClock, 1_000)
    else await doneAre((TASKS * (kills + 1)) / (LEAST_KILLS + 1))
    const victim = running[kills % PROCESSES]
    if (victim === undefined || (await tasks.metrics()).done === TASKS) break
    victim.program.process.kill('SIGKILL')
    victim.killed = true
    await victim.program.ended
    running[kills % PROCESSES] = await work()
  }
  await doneAre(TASKS)
  for (const { program } of running) program.process.kill('SIGTERM')
  for (const { program } of running) assert.equal(await program.ended, 0, program.output)

  const logs = runs.map(({ log, killed }) => ({ ...read(log), killed }))
  const doubles = checkDeliveries(logs)
  const errors = logs.flatMap((log) => log.errors)
  assert.deepEqual(
    errors.filter((error) => /locked|busy/i.test(error)),
    [],
  )
  checkCounts(path)
  const calls = logs.flatMap((log) => log.calls)
  t.diagnostic(
    `${kills} kills, ${doubles.extra} starts too many, ${doubles.open} open at the kills`,
  )
  t.diagnostic(`errors and losses told: ${errors.length} ${errors.slice(0, 5).join('; ')}`)
  t.diagnostic(`calls into SQLite of 20 ms or more: ${calls.length}`)
  for (const call of calls.toSorted((one, other) => other.ms - one.ms).slice(0, 10)) {
    t.diagnostic(`  ${call.ms} ms ${call.sql}`)
  }
  assert.ok(kills >= LEAST_KILLS, `only ${kills} kills`)
})

interface Log {
  readonly starts: readonly number[]
  readonly done: readonly number[]
  readonly errors: readonly string[]
  readonly calls: readonly { readonly ms: number; readonly sql: string }[]
  readonly killed: boolean
}

function read(path: string): Omit<Log, 'killed'> {
  const log = { starts: [] as number[], done: [] as number[], errors: [] as string[] }
  const calls: { ms: number; sql: string }[] = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [what, value = '', ...rest] = line.split(' ')
    if (what === 'start') log.starts.push(Number(value))
    if (what === 'done') log.done.push(Number(value))
    if (what === 'error') log.errors.push([value, ...rest].join(' '))
    if (what === 'call') calls.push({ ms: Number(value), sql: rest.join(' ') })
  }
  return { ...log, calls }
}

/** Each task was done, none again that was told to be done, and what began twice had begun in a process that was killed. */
function checkDeliveries(logs: readonly Log[]): { readonly extra: number; readonly open: number } {
  const all = logs.flatMap(({ starts }) => starts)
  const told = logs.flatMap(({ done }) => done)
  assert.equal(new Set(all).size, TASKS)
  assert.equal(new Set(told).size, told.length)
  const open = logs.flatMap(({ starts, done, killed }) => {
    const ended = new Set(done)
    const left = starts.filter((task) => !ended.has(task))
    assert.deepEqual(killed ? [] : left, [])
    return left
  })
  const extra = all.length - TASKS
  assert.ok(extra <= open.length, `${extra} starts too many, ${open.length} were open at the kills`)
  return { extra, open: open.length }
}

/** The counts that are kept are those of the rows, and nobody holds anything. */
function checkCounts(path: string): void {
  const connection = new DatabaseSync(path)
  const row = (sql: string): unknown => ({ ...connection.prepare(sql).get() })
  const expected = { pending: 0, running: 0, done: TASKS, failed: 0, killed: 0, future: 0 }
  assert.deepEqual(
    row('SELECT pending, running, done, failed, killed, future FROM apalis_queue'),
    expected,
  )
  assert.deepEqual(row('SELECT count(*) AS done FROM apalis_task WHERE status = 2'), {
    done: TASKS,
  })
  assert.deepEqual(row('PRAGMA integrity_check'), { integrity_check: 'ok' })
  connection.close()
}
